/** What holds of every object store, told against a real server of each. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "mocha";

import { StorageError } from "../../storage/storage-error.ts";
import type { StorageErrorCode } from "../../storage/storage-error.ts";
import { tarGz } from "../../storage/testing/tar-gz.ts";
import { readIndex, resolveModel } from "../repository.ts";
import type { Environment, ResolveOptions } from "../repository.ts";

/** A store that serves what was put into it. */
export interface TestStore extends AsyncDisposable {
  readonly environment: Environment;
  put(key: string, content: Buffer): Promise<void>;
  /** The storage URI of a key or prefix. */
  uri(key: string): string;
}

const LARGE_BYTES = 48 * 1024 * 1024;
const policy = { attemptsMax: 2, delayMs: 1, delayMsMax: 1 };

export interface StoreSuite {
  readonly start: (root: string) => Promise<TestStore>;
  /** Another environment, and how the store refuses it. */
  readonly denied?: { readonly environment: Environment; readonly code: StorageErrorCode };
}

/** Defines the tests; to be called in a describe(). */
export function storeSuite({ start, denied }: StoreSuite): void {
  let root: string;
  let store: TestStore;
  let folders = 0;

  before(async function () {
    // The first run on a machine builds or installs the server.
    this.timeout(900_000);
    root = await mkdtemp(join(tmpdir(), "pilotlight-store-"));
    store = await start(root);
    for (const [key, content] of Object.entries(await objects())) {
      await store.put(key, Buffer.from(content));
    }
  });

  after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  });

  async function resolve(
    key: string,
    options: Partial<ResolveOptions> = {},
    environment: Environment = {},
  ) {
    const storageUri = store.uri(key);
    const modelDir = join(root, `dir-${(folders += 1)}`);
    const given = { storageUri, modelDir, modelBytesMax: 1e8, policy, ...options };
    const signal = new AbortController().signal;
    return resolveModel(given, { ...store.environment, ...environment }, signal);
  }

  async function contents(key: string, options: Partial<ResolveOptions> = {}): Promise<string[]> {
    const { versions } = await resolve(key, options);
    return Promise.all(
      versions.map(async ({ version, path }) => `${version}: ${await readFile(path, "utf8")}`),
    );
  }

  it("gives a single file", async () => {
    assert.deepEqual(await contents("single/a model+1.onnx"), ["1: odd key"]);
  });

  it("gives the versions below a prefix, with the files beside them", async () => {
    const { name, versions } = await resolve("voted");
    assert.equal(name, "voted");
    assert.deepEqual(
      versions.map(({ version }) => version),
      ["1", "9", "10"],
    );
    const [, ninth] = versions;
    assert.equal(await readFile(join(ninth?.path ?? "", "../deep/er/data.bin"), "utf8"), "data");
  });

  it("unpacks an archive", async () => {
    assert.deepEqual(await contents("packed.tar.gz"), ["1: from an archive"]);
  });

  it("gives a large file whole, in parts", async () => {
    const { versions } = await resolve("large.onnx");
    const content = await readFile(versions[0]?.path ?? "");
    assert.equal(content.length, LARGE_BYTES);
    assert(content.equals(Buffer.alloc(LARGE_BYTES, "0123456789abcdef")));
  });

  it("fetches nothing again that has not changed, and what has", async () => {
    const modelDir = join(root, "kept");
    await store.put("changing/model.onnx", Buffer.from("one"));
    for (const key of ["changing", "changing/model.onnx"]) {
      const first = await resolve(key, { modelDir });
      const again = await resolve(key, { modelDir });
      assert.equal(again.versions[0]?.path, first.versions[0]?.path);
      assert.equal(await again.digest(), await first.digest());
    }
    const before = await resolve("changing", { modelDir });
    await store.put("changing/model.onnx", Buffer.from("two"));
    const changed = await resolve("changing", { modelDir });
    assert.match((await changed.digest()) ?? "", /^sha256:[0-9a-f]{64}$/);
    assert.notEqual(await changed.digest(), await before.digest());
    assert.deepEqual(await contents("changing", { modelDir }), ["1: two"]);
    assert.deepEqual(await contents("changing/model.onnx", { modelDir }), ["1: two"]);
    assert.equal((await readdir(join(modelDir, ".pilotlight"))).length, 2);
  });

  it("tells contents by a digest: the same for the same bytes, put there again", async () => {
    await store.put("told/model.onnx", Buffer.from("one"));
    const digestOf = async (key: string) => (await resolve(key)).digest();
    const first = [await digestOf("told"), await digestOf("told/model.onnx")];
    await store.put("told/model.onnx", Buffer.from("two"));
    const second = [await digestOf("told"), await digestOf("told/model.onnx")];
    await store.put("told/model.onnx", Buffer.from("one"));
    assert.deepEqual([await digestOf("told"), await digestOf("told/model.onnx")], first);
    assert.equal(new Set([...first, ...second]).size, 4);
  });

  it("lists the models of a repository, each with a URI of its own", async () => {
    const options = { storageUri: store.uri("many"), modelDir: root, modelBytesMax: 1e8 };
    const signal = new AbortController().signal;
    const models = await readIndex(options, store.environment, signal);
    const named = models.map(({ name, bytes }) => `${name} ${bytes}`);
    assert.deepEqual(named, ["one 3", "three 5", "two 3"]);
    for (const { uri, name } of models) {
      const { versions } = await resolve("", { storageUri: uri, modelName: name });
      assert.equal(await readFile(versions[0]?.path ?? "", "utf8"), name);
    }
  });

  const refusals: [key: string, code: StorageErrorCode, says: RegExp, why: string][] = [
    ["absent.onnx", "not-found", /absent\.onnx/, "a file that isn't there"],
    ["absent", "not-found", /absent/, "a prefix without anything"],
    ["large.onnx", "invalid", /larger than MODEL_BYTES_MAX \(1000 bytes\)/, "too large"],
  ];
  for (const [key, code, says, why] of refusals) {
    it(`says ${code} of ${why}`, () =>
      assert.rejects(resolve(key, { modelBytesMax: 1000 }), (error) => {
        assert(error instanceof StorageError, String(error));
        assert.match(error.message, says);
        assert.equal(error.code, code);
        return true;
      }));
  }

  if (denied === undefined) return;
  it(`says ${denied.code} when the credentials are wrong`, () =>
    assert.rejects(resolve("voted", {}, denied.environment), (error) => {
      assert(error instanceof StorageError, String(error));
      assert.equal(error.code, denied.code, error.message);
      return true;
    }));
}

async function objects(): Promise<Record<string, string | Buffer>> {
  return {
    "voted/1/model.onnx": "version 1",
    "voted/10/model.onnx": "version 10",
    "voted/9/deep/er/data.bin": "data",
    "voted/9/model.onnx": "version 9",
    "votedlike/model.onnx": "a neighbour whose name begins alike",
    "single/a model+1.onnx": "odd key",
    "packed.tar.gz": await tarGz([{ name: "m/model.onnx", content: "from an archive" }]),
    "large.onnx": Buffer.alloc(LARGE_BYTES, "0123456789abcdef"),
    "many/one/model.onnx": "one",
    "many/two/model.onnx": "two",
    "many/three.onnx": "three",
  };
}
