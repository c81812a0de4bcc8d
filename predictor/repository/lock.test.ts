import assert from "node:assert/strict";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { inFolder } from "../storage/testing/folder.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import { TestPredictor, irisPath } from "../testing/test-predictor.ts";
import { withLock } from "./lock.ts";

const alive = { isAlive: () => true, signal: new AbortController().signal, pollMs: 1 };

describe("the lock of a shared folder", () => {
  it("lets one in at a time", () =>
    inFolder(async (folder) => {
      let inside = 0;
      let most = 0;
      const enter = async (self: string): Promise<void> =>
        withLock(join(folder, "lock"), { ...alive, self }, async () => {
          most = Math.max(most, (inside += 1));
          await new Promise((wake) => setImmediate(wake));
          inside -= 1;
        });
      await Promise.all(["a", "b", "c", "d"].map(enter));
      assert.equal(most, 1);
    }));

  it("is taken from a process that has died", () =>
    inFolder(async (folder) => {
      const path = join(folder, "lock");
      await writeFile(path, "dead");
      const options = { ...alive, self: "me", isAlive: (name: string) => name !== "dead" };
      assert.equal(await withLock(path, options, async () => readFile(path, "utf8")), "me");
    }));

  it("is taken from another machine that shows no sign of life, whatever its clock says", () =>
    inFolder(async (folder) => {
      const path = join(folder, "lock");
      await writeFile(path, "elsewhere");
      await utimes(path, new Date(), new Date(Date.now() + 3_600_000));
      await withLock(path, { ...alive, self: "me", staleMs: 50 }, async () => {});
    }));

  it("is waited for no longer than the signal", () =>
    inFolder(async (folder) => {
      const path = join(folder, "lock");
      await writeFile(path, "elsewhere");
      const signal = AbortSignal.timeout(20);
      await assert.rejects(withLock(path, { ...alive, self: "me", signal }, async () => {}));
      assert.equal(await readFile(path, "utf8"), "elsewhere");
    }));
});

describe("predictors that share a folder", () => {
  it("fetch a model once", () =>
    inFolder(async (folder) => {
      const model = await readFile(irisPath);
      let fetched = 0;
      await using server = await startWebServer(({ headers }, reply) => {
        if (headers["if-none-match"] === '"1"') return void reply.writeHead(304).end();
        fetched += 1;
        reply.writeHead(200, { etag: '"1"' }).end(model);
      });
      const environment = {
        STORAGE_URI: `${server.url}/iris.onnx`,
        MODEL_DIR: folder,
        ALLOW_INSECURE_HTTP: "true",
      };
      const predictors = await Promise.all(
        [1, 2, 3].map(async () => TestPredictor.serving(environment)),
      );
      for (const predictor of predictors) await predictor[Symbol.asyncDispose]();
      assert.equal(fetched, 1);
    }));
});
