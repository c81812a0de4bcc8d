/** Tasks and handlers in a repository of many models: they come and go with their models. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { weightyModel } from "../../hack/models/weighty.ts";
import { makeFolder } from "../storage/testing/folder.ts";
import type { TestFolder } from "../storage/testing/folder.ts";
import { tar } from "../storage/testing/tar-gz.ts";
import { fixtures } from "../tasks/testing/local-task.ts";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";

const mebibyte = 1024 * 1024;
const flower = { instances: [[5.1, 3.5, 1.4, 0.2]] };
const predict = (model: string): string => `/v1/models/${model}:predict`;
const text = { inputs: "one two" };

/** A handler that says in its answer how often its thread was loaded: once per thread. */
const named = `
  export function load({ model, log }) { log("loaded " + model.name); return model.name; }
  export function preprocess({ body }) {
    if (body.what === "exit") process.exit(1);
    if (body.what === "no") throw Object.assign(new Error("not you"), { status: 400 });
  }
  export const postprocess = ({ body }, { state }) => ({ body: { ...body, by: state } });
`;

class Repository implements AsyncDisposable {
  readonly #folder: TestFolder;

  constructor(folder: TestFolder) {
    this.#folder = folder;
  }

  get path(): string {
    return this.#folder.path;
  }

  async task(name: string, fixture: string): Promise<void> {
    await cp(join(fixtures, fixture), join(this.path, name), { recursive: true });
  }

  async iris(name: string, handler?: string): Promise<void> {
    await mkdir(join(this.path, name));
    await copyFile(irisPath, join(this.path, name, "model.onnx"));
    if (handler !== undefined) await writeFile(join(this.path, name, "handler.js"), handler);
  }

  async weighty(name: string, bytes: number): Promise<void> {
    await writeFile(join(this.path, `${name}.onnx`), weightyModel(bytes, 1));
  }

  async serve(environment: Record<string, string> = {}): Promise<TestPredictor> {
    return TestPredictor.serving({
      STORAGE_URI: this.path,
      MODEL_REPOSITORY: "true",
      MODEL_EXECUTORS: "1",
      HANDLERS_ALLOWED: "true",
      LOG_LEVEL: "debug",
      ...environment,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function makeRepository(): Promise<Repository> {
  return new Repository(await makeFolder());
}

async function infer(predictor: TestPredictor, model: string): Promise<void> {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 1], data: [3] }];
  const { status, text: why } = await predictor.post(`/v2/models/${model}/infer`, { inputs });
  assert.equal(status, 200, why);
}

/** Threads of tasks and handlers, by the name that Node gives to workers. */
async function threadsOf({ child }: TestPredictor): Promise<number> {
  const folder = `/proc/${child.pid}/task`;
  const names = (await readdir(folder)).map(async (thread) =>
    readFile(join(folder, thread, "comm"), "utf8").catch(() => ""),
  );
  return (await Promise.all(names)).filter((name) => name.startsWith("WorkerThread")).length;
}

/** How often the log says something. */
const said = ({ log }: TestPredictor, message: string, model: string): number =>
  log.filter((line) => line.message === message && JSON.stringify(line).includes(model)).length;

describe("a repository of tasks, handlers and tensors", () => {
  let repository: Repository;
  let predictor: TestPredictor;
  before(async function () {
    this.timeout(60_000);
    repository = await makeRepository();
    await repository.task("embeds", "feature-extraction");
    await repository.task("translates", "text2text-generation");
    await repository.task("speechless", "question-answering");
    const sorcery = '{"model":{"type":"Sorcery"}}';
    await writeFile(join(repository.path, "speechless", "tokenizer.json"), sorcery);
    await repository.iris("plain");
    await repository.iris("handled", named);
    await repository.iris("also-handled", named);
    await repository.iris("broken", "\nexport function load() { throw new Error('no database'); }");
    predictor = await repository.serve();
  });
  after(async () => {
    await predictor[Symbol.asyncDispose]();
    await repository[Symbol.asyncDispose]();
  });

  it("answers each by what lies beside it", async () => {
    const [embeds, plain, handled, also] = await Promise.all([
      predictor.post(predict("embeds"), { ...text, parameters: { pooling: "mean" } }),
      predictor.post(predict("plain"), flower),
      predictor.post(predict("handled"), flower),
      predictor.post(predict("also-handled"), flower),
    ]);
    assert.equal((embeds.json as number[]).length, 32, embeds.text);
    assert.deepEqual(Object.keys(plain.json as object), ["predictions"]);
    assert.equal((handled.json as { by: string }).by, "handled", handled.text);
    assert.equal((also.json as { by: string }).by, "also-handled", also.text);
  });

  it("translates by a model of three graphs", async function () {
    this.timeout(60_000);
    const fixture = join(fixtures, "text2text-generation", "expected.json");
    const { cases } = JSON.parse(await readFile(fixture, "utf8")) as {
      cases: { inputs: string; answer: object }[];
    };
    const body = { inputs: cases[0]?.inputs, parameters: { max_new_tokens: 12 } };
    const { json, text: why } = await predictor.post(predict("translates"), body);
    assert.deepEqual(json, cases[0]?.answer, why);
  });

  it("serves the tensors of one with a bad tokenizer, and says why", async () => {
    const { json } = await predictor.get("/v2/models/speechless");
    const { inputs } = json as { inputs: { name: string }[] };
    assert.deepEqual(
      inputs.map(({ name }) => name),
      ["input_ids", "attention_mask"],
    );
    const { notes } = await predictor.line("model loaded", { model: "speechless" });
    const why = JSON.stringify(notes);
    assert.match(why, /is served without the task that its config.json suggests: task question/);
  });

  it("answers 503 for one with a bad handler, with the reason; others don't notice", async () => {
    for (const attempt of ["first", "remembered"]) {
      const { status, json } = await predictor.post(predict("broken"), flower);
      const error = 'the model "broken" can\'t be loaded: handler handler.js:2: no database';
      assert.deepEqual([status, json], [503, { error }], attempt);
    }
    assert.equal((await predictor.post(predict("handled"), flower)).status, 200);
  });

  it("starts the thread of a handler that ended again with the next request", async () => {
    const { status, json } = await predictor.post(predict("handled"), { what: "exit" });
    assert.deepEqual([status, json], [500, { error: "the handler ended unexpectedly" }]);
    const next = await predictor.post(predict("handled"), flower);
    assert.equal((next.json as { by: string }).by, "handled", next.text);
    const refused = await predictor.post(predict("handled"), { what: "no" });
    assert.deepEqual([refused.status, refused.json], [400, { error: "not you" }]);
    assert.equal(said(predictor, "handler", '"loaded handled"'), 2);
    assert.equal(said(predictor, "handler", '"loaded also-handled"'), 1, "others keep theirs");
  });

  it("brings all of a model back that a killed executor held", async () => {
    process.kill(predictor.executorPid(), "SIGKILL");
    await predictor.logged("executor ended");
    const { json, text: why } = await predictor.post(predict("handled"), flower);
    assert.equal((json as { by: string }).by, "handled", why);
    const embedded = await predictor.post(predict("embeds"), text);
    assert.equal(embedded.status, 200, embedded.text);
  });
});

describe("the lookups of a repository", () => {
  it("are one for each request, however many times it needs its model", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    await repository.task("translates", "text2text-generation");
    await repository.task("writes", "text-generation");
    await repository.iris("plain");
    await repository.iris("handled", named);
    await using predictor = await repository.serve();
    const lookups = async (): Promise<number[]> =>
      Promise.all(
        ["hit", "miss"].map(async (result) =>
          predictor.metric(`pilotlight_model_lookups_total{result="${result}"}`),
        ),
      );
    const few = { ...text, parameters: { max_new_tokens: 4 } };
    const generating = { text_input: "one two", max_tokens: 4 };
    const requests: [string, object][] = [
      [predict("plain"), flower],
      [predict("handled"), flower],
      [predict("translates"), few],
      ["/v2/models/writes/generate", generating],
    ];
    for (const [path, body] of requests) {
      const [hits = 0, misses = 0] = await lookups();
      for (const more of [0, 1, 2]) {
        const { status, text: why } = await predictor.post(path, body);
        assert.equal(status, 200, why);
        assert.deepEqual(await lookups(), [hits + more, misses + 1], path);
      }
    }
    process.kill(predictor.executorPid(), "SIGKILL");
    await predictor.logged("executor ended");
    const [hits = 0, misses = 0] = await lookups();
    assert.equal((await predictor.post(predict("handled"), flower)).status, 200);
    assert.deepEqual(await lookups(), [hits, misses + 1], "it had to come back");
  });
});

describe("a named task in a repository", () => {
  it("is for the models that have the files of one, and a failed load for what can't", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    await repository.task("embeds", "feature-extraction");
    await repository.task("speechless", "feature-extraction");
    await writeFile(join(repository.path, "speechless", "tokenizer.json"), "{}");
    await repository.iris("plain");
    await using predictor = await repository.serve({ MODEL_TASK: "feature-extraction" });
    assert.equal((await predictor.post(predict("plain"), flower)).status, 200);
    assert.equal((await predictor.post(predict("embeds"), text)).status, 200);
    const { status, text: why } = await predictor.post(predict("speechless"), text);
    assert.equal(status, 503);
    assert.match(why, /"speechless.* can't be loaded: task feature-extraction: /);
  });
});

describe("the memory of tasks and handlers", () => {
  it("counts, and is given back when their models leave; they come again", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    await repository.task("embeds", "feature-extraction");
    await repository.iris(
      "roomy",
      `const table = new Uint8Array(${80 * mebibyte}).fill(1);${named}`,
    );
    await repository.weighty("large", 48 * mebibyte);
    // Room for the large one, twice its size while it's read, or for the handler, not for both.
    const budget = String(240 * mebibyte);
    await using predictor = await repository.serve({ MODEL_MEMORY_BUDGET: budget });
    const used = async (): Promise<number> => predictor.metric("pilotlight_models_memory_bytes ");
    await infer(predictor, "large");
    assert.equal(await threadsOf(predictor), 0);
    const before = await used();
    for (const round of [1, 2]) {
      assert.equal((await predictor.post(predict("roomy"), flower)).status, 200);
      assert.equal(await threadsOf(predictor), 1);
      assert.equal(said(predictor, "handler", '"loaded roomy"'), round);
      assert((await used()) > before + 32 * mebibyte, "the handler's memory counts");
      assert.equal(await predictor.metric("pilotlight_models_resident "), 1, "the large one left");
      await infer(predictor, "large");
      assert.equal(await threadsOf(predictor), 0);
      assert.equal(await predictor.metric("pilotlight_models_resident "), 1);
      assert((await used()) < before + 32 * mebibyte, "and is given back");
    }
    const small = await used();
    assert.equal((await predictor.post(predict("embeds"), text)).status, 200);
    assert.equal(await threadsOf(predictor), 1);
    assert((await used()) > small + 16 * mebibyte, "the tokenizer's thread counts");
  });

  it("is refused with the numbers where it can never fit", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    await repository.iris(
      "greedy",
      "export const load = () => Array(4e6).fill(0).map((_, i) => ({ i }));",
    );
    await repository.iris("plain");
    const budget = String(180 * mebibyte);
    await using predictor = await repository.serve({ MODEL_MEMORY_BUDGET: budget });
    const { status, text: why } = await predictor.post(predict("greedy"), flower);
    assert.equal(status, 500, why);
    assert.match(why, /"greedy.* needs about \d{3} MiB of memory .* is 180 MiB: raise it/);
    assert.equal((await predictor.post(predict("plain"), flower)).status, 200);
  });
});

describe("tasks and handlers of models that change, or whose files leave the disk", () => {
  it("are those of the model's present state", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    const by = (version: number): string =>
      `export const postprocess = () => ({ body: { version: ${version} } });`;
    await repository.iris("changing", by(1));
    await using predictor = await repository.serve({ STORAGE_POLL_SECONDS: "0.05" });
    const version = async (): Promise<unknown> => {
      const { status, json } = await predictor.post(predict("changing"), flower);
      assert.equal(status, 200, JSON.stringify(json));
      return (json as { version: number }).version;
    };
    assert.equal(await version(), 1);
    await writeFile(join(repository.path, "changing", "handler.js"), by(2));
    while ((await version()) === 1);
    assert.equal(await version(), 2);
    while ((await threadsOf(predictor)) > 1);
  });

  it("do not come back for a request that was on its way to a model that has gone", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    await repository.iris("going", named);
    await repository.iris("staying");
    await using predictor = await repository.serve({ STORAGE_POLL_SECONDS: "0.05" });
    assert.equal((await predictor.post(predict("going"), flower)).status, 200);
    const socket = connect(predictor.port, "127.0.0.1");
    const body = JSON.stringify(flower);
    const head = `POST ${predict("going")} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n`;
    socket.write(`${head}Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
    await once(socket, "data"); // It is with the model now, but for its body.
    await rm(join(repository.path, "going"), { recursive: true });
    while ((await predictor.get("/v2/models/going")).status !== 404);
    while ((await threadsOf(predictor)) > 0);
    socket.write(body);
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 503 [^]*has just changed, try again/);
    assert.equal(await threadsOf(predictor), 0);
    assert.equal(await predictor.metric("pilotlight_models_resident "), 0);
  });

  it("end with the model in a service of one, too", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    await repository.iris("m", named);
    const folder = join(repository.path, "m");
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: folder,
      HANDLERS_ALLOWED: "true",
      STORAGE_POLL_SECONDS: "0.05",
    });
    assert.equal(await threadsOf(predictor), 1);
    await copyFile(irisPath, join(folder, ".next"));
    await rename(join(folder, ".next"), join(folder, "model.onnx"));
    await predictor.logged("model replaced");
    while ((await threadsOf(predictor)) > 1);
    const { json, text: why } = await predictor.post(predict("m"), flower);
    assert.equal((json as { by: string }).by, "m", why);
  });

  it("leave no process behind that held another graph of a task", async function () {
    this.timeout(60_000);
    await using repository = await makeRepository();
    await repository.task("m", "text2text-generation");
    const folder = join(repository.path, "m", "onnx");
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: join(repository.path, "m"),
      STORAGE_POLL_SECONDS: "0.05",
    });
    const processes = predictor.executorPids().length;
    assert(processes > 1, "each graph has a process of its own");
    for (const name of await readdir(folder)) {
      await copyFile(join(folder, name), join(folder, ".next"));
      await rename(join(folder, ".next"), join(folder, name));
    }
    await predictor.logged("model replaced");
    while (predictor.executorPids().length > processes) await predictor.get("/v2/health/live");
    assert.equal(await threadsOf(predictor), 1);
    assert.equal((await predictor.post(predict("m"), text)).status, 200);
  });

  it("come from a new copy when a thread needs its files again", async function () {
    this.timeout(60_000);
    await using folder = await makeFolder();
    const source = join(folder.path, "source");
    await mkdir(source);
    const content = await readFile(irisPath);
    for (const name of ["one", "two", "three"]) {
      const entries = [
        { name: "model.onnx", content },
        { name: "handler.js", content: Buffer.from(named) },
      ];
      await writeFile(join(source, `${name}.tar`), await tar(entries));
    }
    await using predictor = await TestPredictor.serving({
      STORAGE_URI: source,
      MODEL_DIR: join(folder.path, "models"),
      MODEL_REPOSITORY: "true",
      MODEL_EXECUTORS: "1",
      HANDLERS_ALLOWED: "true",
      MODEL_DISK_BUDGET: "10000",
    });
    for (const name of ["one", "two", "three", "one", "two", "three"]) {
      const ended = await predictor.post(predict(name), { what: "exit" });
      assert.equal(ended.status, 500, ended.text);
      const { json, text: why } = await predictor.post(predict(name), flower);
      assert.equal((json as { by: string }).by, name, why);
    }
  });
});
