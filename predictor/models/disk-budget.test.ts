import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { fetchModel } from "../repository/remote.ts";
import { inFolder } from "../storage/testing/folder.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import { parseStorageUri } from "../storage/uri.ts";
import { DiskBudget } from "./disk-budget.ts";
import { folderBytes } from "./folder-bytes.ts";

const bytesEach = 400_000;
/** For two of them. */
const budgetBytes = 1_000_000;

/** Models that are alike, and a folder with a budget for their copies. */
type Store = {
  /** Of all models: another one is another content. */
  state: number;
  bytes: number;
  /** Their bytes, as the index has them: an archive's own. */
  indexed: number;
  /** Names of what was fetched, in order. */
  readonly fetched: string[];
  /** The name of a model on its way into memory. */
  loading: string;
  /** A predictor's budget; another one is that of its next start. */
  start(): { fetch(name: string): Promise<unknown>; readonly usedBytes: number };
  /** What lies on the disk. */
  bytesThere(): Promise<number>;
  removeAll(): Promise<void>;
};

async function inStore(test: (store: Store) => Promise<void>): Promise<void> {
  await inFolder(async (modelDir) => {
    await using server = await startWebServer(({ headers, url = "" }, reply) => {
      const etag = `"${store.state}"`;
      if (headers["if-none-match"] === etag) return void reply.writeHead(304).end();
      store.fetched.push(url.slice(1));
      reply.writeHead(200, { etag }).end(Buffer.alloc(store.bytes, 8));
    });
    const uriOf = (name: string): string => `${server.url}/${name}`;
    const start: Store["start"] = () => {
      const budget = new DiskBudget({
        modelDir,
        budgetBytes,
        fetch: async ({ uri }) => {
          const { versions } = await fetchModel(
            parseStorageUri(uri, true),
            { storageUri: uri, modelDir, modelBytesMax: 1e7, shown: uri },
            { environment: { ALLOW_INSECURE_HTTP: "true" }, signal: new AbortController().signal },
          );
          return versions;
        },
        isLoading: (uri) => uri === uriOf(store.loading),
      });
      return {
        fetch: async (name) =>
          budget.fetch({
            name,
            uri: uriOf(name),
            bytes: store.indexed,
            fingerprint: String(store.state),
          }),
        get usedBytes() {
          return budget.usedBytes;
        },
      };
    };
    const copies = join(modelDir, ".pilotlight");
    const bytesThere = async () => folderBytes(copies, (file) => file.endsWith(".onnx"), true);
    const removeAll = async () => {
      for (const name of await readdir(copies)) await rm(join(copies, name), { recursive: true });
    };
    const store: Store = {
      state: 1,
      bytes: bytesEach,
      indexed: bytesEach,
      fetched: [],
      loading: "",
      start,
      bytesThere,
      removeAll,
    };
    await test(store);
    for (const left of await readdir(copies)) assert(!left.startsWith("tmp~"), left);
  });
}

describe("the budget of a disk", () => {
  it("counts of a model that has changed what is there, not what was", () =>
    inStore(async (store) => {
      const budget = store.start();
      for (const state of [1, 2, 3]) {
        store.state = state;
        await budget.fetch("a");
        const rest = budget.usedBytes - (await store.bytesThere());
        assert(rest >= 0 && rest < 1000, `${rest} bytes are counted that aren't there`);
      }
      await budget.fetch("b");
      assert.deepEqual(store.fetched, ["a", "a", "a", "b"]);
      await budget.fetch("a");
      assert.deepEqual(store.fetched, ["a", "a", "a", "b"], "it was there");
    }));

  it("knows whose the copies of an earlier process are", () =>
    inStore(async (store) => {
      const before = store.start();
      for (const name of ["a", "b"]) await before.fetch(name);
      const after = store.start();
      for (const name of ["a", "b"]) await after.fetch(name);
      assert.deepEqual(store.fetched, ["a", "b"]);
    }));

  it("leaves a copy of an earlier process to the model that is being loaded from it", () =>
    inStore(async (store) => {
      const before = store.start();
      for (const name of ["a", "b"]) await before.fetch(name);
      const after = store.start();
      await after.fetch("a");
      store.loading = "a";
      for (const name of ["c", "a"]) await after.fetch(name);
      assert.deepEqual(store.fetched, ["a", "b", "c"]);
    }));

  it("makes room for the next state of a model it has, at the cost of others", () =>
    inStore(async (store) => {
      const budget = store.start();
      for (const name of ["a", "b"]) await budget.fetch(name);
      store.state = 2;
      await budget.fetch("b");
      assert((await store.bytesThere()) <= bytesEach, "all three would not have fitted");
    }));

  it("lets a model's state go for its next one when both don't fit", () =>
    inStore(async (store) => {
      store.bytes = 600_000;
      store.indexed = 600_000;
      const budget = store.start();
      await budget.fetch("a");
      store.state = 2;
      store.loading = "a";
      await budget.fetch("a");
      assert.deepEqual(store.fetched, ["a", "a"]);
    }));

  it("evicts when a model turns out to be larger than its index said", () =>
    inStore(async (store) => {
      const budget = store.start();
      await budget.fetch("a");
      store.bytes = 700_000;
      await budget.fetch("b");
      assert((await store.bytesThere()) <= budgetBytes);
    }));

  it("does not mind copies that somebody else has removed", () =>
    inStore(async (store) => {
      const budget = store.start();
      for (const name of ["a", "b"]) await budget.fetch(name);
      await store.removeAll();
      await budget.fetch("c");
      assert.deepEqual(store.fetched, ["a", "b", "c"]);
    }));
});
