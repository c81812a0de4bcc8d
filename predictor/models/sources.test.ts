import assert from "node:assert/strict";
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";
import { weightyModel } from "../../hack/models/weighty.ts";
import { makeFolder } from "../storage/testing/folder.ts";
import { tar } from "../storage/testing/tar-gz.ts";
import { startWebServer } from "../storage/testing/web-server.ts";
import { TestPredictor } from "../testing/test-predictor.ts";

const mebibyte = 1024 * 1024;

/** Asks for three times the factor of a model of weightyModel(). */
async function answerOf(predictor: TestPredictor, name: string): Promise<unknown> {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 1], data: [3] }];
  const { status, json } = await predictor.post(`/v2/models/${name}/infer`, { inputs });
  assert.equal(status, 200, JSON.stringify(json));
  return (json as { outputs: { data: number[] }[] }).outputs[0]?.data[0];
}

/** The digests that its page of metrics tells. */
async function digestsOf(predictor: TestPredictor): Promise<string[]> {
  const { text } = await predictor.get("/metrics");
  const found = text.matchAll(/^pilotlight_model_info\{model="[^"]+",digest="([^"]+)"\} 1$/gm);
  return [...found].map(([, digest = ""]) => digest);
}

describe("copies of models on a disk with less room than they need", () => {
  it("leave for those that are asked for, and come again", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const source = join(folder.path, "source");
    await mkdir(source);
    for (const factor of [1, 2, 3, 4]) {
      const content = Buffer.from(weightyModel(4 * mebibyte, factor));
      await writeFile(join(source, `m${factor}.tar`), await tar([{ name: "model.onnx", content }]));
    }
    const modelDir = join(folder.path, "models");
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: source,
      MODEL_DIR: modelDir,
      MODEL_REPOSITORY: "true",
      MODEL_EXECUTORS: "1",
      MODEL_DISK_BUDGET: String(10 * mebibyte),
    });
    for (const factor of [1, 2, 3, 4, 1, 2, 3, 4]) {
      assert.equal(await answerOf(predictor, `m${factor}`), 3 * factor);
      const copies = await readdir(join(modelDir, ".pilotlight"));
      assert(copies.length <= 2, `${copies.length} copies are on the disk`);
    }
    // What was in memory is lost: its files have to come again first.
    process.kill(predictor.executorPid(), "SIGKILL");
    await predictor.logged("executor ended");
    for (const factor of [1, 2, 3, 4]) {
      assert.equal(await answerOf(predictor, `m${factor}`), 3 * factor);
    }
  });
});

describe("a model that is replaced where it is kept", () => {
  it("is served anew without a new start, and stays when its successor is broken", async function () {
    this.timeout(60_000);
    let content: Uint8Array = weightyModel(1024, 1);
    let state = 1;
    await using server = await startWebServer(({ headers }, reply) => {
      const etag = `"${state}"`;
      if (headers["if-none-match"] === etag) return void reply.writeHead(304).end();
      reply.writeHead(200, { etag }).end(content);
    });
    await using folder = await makeFolder();
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: `${server.url}/m.onnx`,
      MODEL_DIR: folder.path,
      ALLOW_INSECURE_HTTP: "true",
      STORAGE_POLL_SECONDS: "0.05",
    });
    assert.equal(await answerOf(predictor, "m"), 3);
    const [first] = await digestsOf(predictor);
    content = Buffer.from("no model at all, but long enough to be taken for one");
    state = 2;
    await predictor.logged("the model can't be replaced");
    assert.equal(await answerOf(predictor, "m"), 3);
    process.kill(predictor.executorPid(), "SIGKILL");
    await predictor.logged("executor replaced");
    assert.equal(await answerOf(predictor, "m"), 3, "its files are still there");
    content = weightyModel(1024, 2);
    state = 3;
    await predictor.logged("model replaced");
    const [digest, ...others] = await digestsOf(predictor);
    assert.deepEqual(others, [], "what was replaced is not told any more");
    assert.match(digest ?? "", /^sha256:[0-9a-f]{64}$/);
    assert.notEqual(digest, first);
    assert.equal(await answerOf(predictor, "m"), 6);
    while ((await readdir(join(folder.path, ".pilotlight"))).length > 1);
  });

  it("is noticed in a folder, too", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const path = join(folder.path, "model.onnx");
    await writeFile(path, weightyModel(1024, 1));
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: folder.path,
      MODEL_NAME: "m",
      STORAGE_POLL_SECONDS: "0.05",
    });
    assert.equal(await answerOf(predictor, "m"), 3);
    await writeFile(join(folder.path, ".next"), weightyModel(1024, 2));
    await rename(join(folder.path, ".next"), path);
    await predictor.logged("model replaced");
    assert.equal(await answerOf(predictor, "m"), 6);
  });
});

describe("a model that is replaced while it is being loaded", () => {
  it("is loaded anew when it is served", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const [path, gate] = [join(folder.path, "model.onnx"), join(folder.path, "gate")];
    await writeFile(path, weightyModel(1024, 1));
    // The last of what is loaded with a model: it takes as long as the test wants it to.
    const handler = `
      import { existsSync } from "node:fs";
      export async function load({ log }) {
        log("loading");
        while (!existsSync(${JSON.stringify(gate)})) await new Promise(setImmediate);
      }`;
    await writeFile(join(folder.path, "handler.js"), handler);
    await using predictor = new TestPredictor({
      STORAGE_URI: folder.path,
      MODEL_NAME: "m",
      HANDLERS_ALLOWED: "true",
      STORAGE_POLL_SECONDS: "0.05",
    });
    await predictor.logged("handler");
    await writeFile(join(folder.path, ".next"), weightyModel(1024, 2));
    await rename(join(folder.path, ".next"), path);
    await writeFile(gate, "");
    await predictor.logged("model replaced");
    assert.equal(await answerOf(predictor, "m"), 6);
  });
});

describe("a model that is removed where it is kept", () => {
  it("is not served, though it was being loaded when it was", async function () {
    this.timeout(60_000);
    const content = Buffer.from(weightyModel(1024, 1));
    let kept = ["going", "staying"];
    const asked = Promise.withResolvers<void>();
    const removed = Promise.withResolvers<void>();
    // A hub, whose files come when the test lets them.
    await using server = await startWebServer(({ url = "" }, reply) => {
      if (url.includes("/revision/")) return void reply.end('{"sha":"1"}');
      if (url.includes("/tree/")) {
        // A folder asked for by name is there to the end: all that goes is its name in the list.
        const names = /\/tree\/1\/(\w+)/.exec(url)?.slice(1) ?? kept;
        const files = names.map((name) => ({
          type: "file",
          path: `${name}/model.onnx`,
          size: content.length,
          oid: name,
        }));
        return void reply.end(JSON.stringify(files));
      }
      asked.resolve();
      void removed.promise.then(() => reply.end(content));
    });
    await using folder = await makeFolder();
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: "hf://org/name",
      HF_ENDPOINT: server.url,
      MODEL_DIR: folder.path,
      MODEL_REPOSITORY: "true",
      MODEL_EXECUTORS: "1",
      STORAGE_POLL_SECONDS: "0.05",
    });
    const inputs = [{ name: "x", datatype: "FP32", shape: [1, 1], data: [3] }];
    const answer = predictor.post("/v2/models/going/infer", { inputs });
    await asked.promise;
    kept = ["staying"];
    const listed = async () =>
      ((await predictor.get("/v1/models")).json as { models: string[] }).models;
    while ((await listed()).includes("going"));
    removed.resolve();
    assert.equal((await answer).status, 404);
    for (const path of ["/v2/models/going", "/v2/models/going/ready"]) {
      assert.equal((await predictor.get(path)).status, 404, path);
    }
    assert.equal((await predictor.post("/v2/models/going/infer", { inputs })).status, 404);
    assert.equal(await answerOf(predictor, "staying"), 3);
    assert.equal(await predictor.metric("pilotlight_model_load_failures_total "), 0);
  });
});
