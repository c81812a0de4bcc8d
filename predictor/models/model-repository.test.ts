import assert from "node:assert/strict";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { endlessModel } from "../../hack/models/fixtures.ts";
import { weightyModel } from "../../hack/models/weighty.ts";
import { makeFolder } from "../storage/testing/folder.ts";
import type { TestFolder } from "../storage/testing/folder.ts";
import { TestPredictor } from "../testing/test-predictor.ts";

const mebibyte = 1024 * 1024;
const models = 12;
const weight = 12 * mebibyte;
/** An executor with room for about four of them. */
const budget = 176 * mebibyte;

const nameOf = (index: number): string => `weighty-${index}`;

/** Asks a model for three times its factor. */
async function answerOf(predictor: TestPredictor, name: string): Promise<unknown> {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 1], data: [3] }];
  const { status, json } = await predictor.post(`/v2/models/${name}/infer`, { inputs });
  assert.equal(status, 200, JSON.stringify(json));
  return (json as { outputs: { data: number[] }[] }).outputs[0]?.data[0];
}

/** A small one that answers with its input times a factor. */
const small = (factor: number): Uint8Array => weightyModel(1024, factor);

describe("a repository with more models than fit into memory", () => {
  let folder: TestFolder;
  let predictor: TestPredictor;

  before(async function () {
    this.timeout(60_000);
    folder = await makeFolder();
    for (let index = 1; index <= models; index++) {
      await mkdir(join(folder.path, nameOf(index)));
      const path = join(folder.path, nameOf(index), "model.onnx");
      await writeFile(path, weightyModel(weight, index));
    }
    predictor = await TestPredictor.serving({
      STORAGE_URI: folder.path,
      MODEL_REPOSITORY: "true",
      MODEL_PRELOAD: nameOf(1),
      MODEL_MEMORY_BUDGET: String(budget),
      MODEL_EXECUTORS: "1",
    });
  });

  after(async () => {
    await predictor[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  it("has loaded what was to be there at the start, and lists all", async () => {
    assert.equal(await predictor.metric("pilotlight_models_resident "), 1);
    const { json } = await predictor.get("/v1/models");
    const names = Array.from({ length: models }, (_, index) => nameOf(index + 1));
    assert.deepEqual(json, { models: names.sort() });
  });

  it("answers each rightly, again and again, within the budget", async function () {
    this.timeout(60_000);
    for (const round of [1, 2]) {
      for (let index = 1; index <= models; index++) {
        assert.equal(await answerOf(predictor, nameOf(index)), 3 * index, `round ${round}`);
        const used = await predictor.metric("pilotlight_models_memory_bytes ");
        assert(used <= budget, `${used} bytes are in use`);
      }
    }
    const resident = await predictor.metric("pilotlight_models_resident ");
    assert(resident >= 2 && resident < models, `${resident} models are in memory`);
    assert((await predictor.metric("pilotlight_model_evictions_total ")) >= models);
  });

  it("keeps the one asked for most, and lets the others go", async () => {
    const evictions = async (): Promise<number> =>
      predictor.metric("pilotlight_model_evictions_total ");
    const before = await evictions();
    await answerOf(predictor, nameOf(1));
    const loads = await predictor.metric("pilotlight_model_load_seconds_count ");
    for (const index of [2, 3, 4, 5, 6]) {
      await answerOf(predictor, nameOf(index));
      await answerOf(predictor, nameOf(1));
    }
    assert((await evictions()) > before);
    const loadsAfter = await predictor.metric("pilotlight_model_load_seconds_count ");
    assert(loadsAfter - loads <= 5, "the first model was loaded again");
  });

  it("shares one load among those who ask first at the same time", async () => {
    // Pushed out by as many others as fit.
    for (const index of [7, 8, 9, 10, 11]) await answerOf(predictor, nameOf(index));
    const loads = await predictor.metric("pilotlight_model_load_seconds_count ");
    const asked = Array.from({ length: 8 }, async () => answerOf(predictor, nameOf(12)));
    assert.deepEqual(await Promise.all(asked), Array(8).fill(36));
    assert.equal(await predictor.metric("pilotlight_model_load_seconds_count "), loads + 1);
  });

  it("serves all at once, though not all fit", async function () {
    this.timeout(60_000);
    const asked = Array.from({ length: models }, async (_, index) =>
      answerOf(predictor, nameOf(index + 1)),
    );
    const wanted = Array.from({ length: models }, (_, index) => 3 * (index + 1));
    assert.deepEqual(await Promise.all(asked), wanted);
  });

  it("loads again what a killed executor held", async () => {
    process.kill(predictor.executorPid(), "SIGKILL");
    await predictor.logged("executor ended");
    assert.equal(await answerOf(predictor, nameOf(12)), 36);
    assert.equal(await answerOf(predictor, nameOf(3)), 9);
  });
});

describe("a repository with models that can't be served", () => {
  let folder: TestFolder;
  let predictor: TestPredictor;

  before(async function () {
    this.timeout(60_000);
    folder = await makeFolder();
    const put = async (name: string, content: Uint8Array | string): Promise<void> => {
      await mkdir(join(folder.path, name));
      await writeFile(join(folder.path, name, "model.onnx"), content);
    };
    await put("good", small(2));
    await put("broken", "this is no model");
    await put("page", "<!doctype html><title>Log in</title>");
    await put("huge", weightyModel(150 * mebibyte, 1));
    await put("endless", endlessModel());
    await mkdir(join(folder.path, "empty"));
    await writeFile(join(folder.path, "empty", "README.md"), "to come");
    predictor = await TestPredictor.serving({
      STORAGE_URI: folder.path,
      MODEL_REPOSITORY: "true",
      MODEL_MEMORY_BUDGET: String(220 * mebibyte),
      MODEL_EXECUTORS: "1",
      REQUEST_TIMEOUT_SECONDS: "2",
    });
  });

  after(async () => {
    await predictor[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const rows: [name: string, status: number, error: RegExp, why: string][] = [
    ["broken", 503, /"broken" can't be loaded: Load model/, "no ONNX"],
    ["page", 503, /"page" can't be loaded: .*is an HTML page/, "a page instead of the file"],
    ["empty", 503, /"empty" can't be loaded: no \.onnx file there/, "nothing there yet"],
    [
      "huge",
      500,
      /"huge" needs about 3\d\d MiB of memory .* MODEL_MEMORY_BUDGET is 220 MiB/,
      "size",
    ],
    ["rose", 404, /there is no model "rose"/, "a name that nothing has"],
  ];
  for (const [name, status, error, why] of rows) {
    it(`answers for "${name}" with ${status}: ${why}`, async () => {
      for (const attempt of ["first", "remembered"]) {
        const { status: got, json } = await predictor.post(`/v2/models/${name}/infer`, {});
        assert.equal(got, status, attempt);
        const text = (json as { error: string }).error;
        assert.match(text, error);
        assert(!text.includes(folder.path), "a path in the answer");
      }
      assert.equal(await answerOf(predictor, "good"), 6);
    });
  }

  it("remembers a failure instead of trying at each request", async () => {
    const failed = "pilotlight_model_load_failures_total ";
    await predictor.post("/v2/models/broken/infer", {});
    const before = await predictor.metric(failed);
    await Promise.all([1, 2, 3, 4].map(async () => predictor.post("/v2/models/broken/infer", {})));
    assert((await predictor.metric(failed)) - before <= 1);
  });
});

describe("a model that can't come back into memory", () => {
  it("is tried again after a while, not at each request, and comes back once it is mended", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const path = join(folder.path, "a", "model.onnx");
    await mkdir(join(folder.path, "a"));
    await writeFile(path, small(2));
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: folder.path,
      MODEL_REPOSITORY: "true",
      MODEL_EXECUTORS: "1",
    });
    assert.equal(await answerOf(predictor, "a"), 6);
    await writeFile(path, "this is no model");
    process.kill(predictor.executorPid(), "SIGKILL");
    await predictor.logged("executor ended");
    const ask = async () =>
      predictor.post("/v2/models/a/infer", {
        inputs: [{ name: "x", datatype: "FP32", shape: [1, 1], data: [3] }],
      });
    for (let times = 0; times < 8; times++) {
      const { status, json } = await ask();
      assert.equal(status, 503);
      assert.match((json as { error: string }).error, /"a" can't be loaded: Load model/);
    }
    const failures = await predictor.metric("pilotlight_model_load_failures_total ");
    // More than one only where the first second was over before the last request.
    assert(failures >= 1 && failures <= 3, `${failures} loads failed`);
    await predictor.logged("model can't be loaded", failures);
    const lines = predictor.log.filter(({ message }) => message === "model can't be loaded");
    assert.equal(lines.length, failures);
    await writeFile(path, small(2));
    let answer = await ask();
    while (answer.status === 503) answer = await ask();
    assert.equal(answer.status, 200, answer.text);
  });
});

describe("a repository whose source changes", () => {
  it("serves the new model after the old one, and new names, without an error between", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const put = async (name: string, content: Uint8Array): Promise<void> => {
      await mkdir(join(folder.path, name), { recursive: true });
      await writeFile(join(folder.path, `.${name}`), content);
      await rename(join(folder.path, `.${name}`), join(folder.path, name, "model.onnx"));
    };
    await put("changing", small(1));
    await put("going", small(9));
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: folder.path,
      MODEL_REPOSITORY: "true",
      MODEL_EXECUTORS: "1",
      STORAGE_POLL_SECONDS: "0.05",
    });
    assert.equal(await answerOf(predictor, "changing"), 3);
    assert.equal(await answerOf(predictor, "going"), 27);
    await put("changing", small(2));
    await put("coming", small(5));
    await rm(join(folder.path, "going"), { recursive: true });
    let answer: unknown = 3;
    while (answer === 3) answer = await answerOf(predictor, "changing");
    assert.equal(answer, 6);
    while ((await predictor.get("/v2/models/coming")).status !== 200);
    assert.equal(await answerOf(predictor, "coming"), 15);
    while ((await predictor.get("/v2/models/going")).status !== 404);
  });
});
