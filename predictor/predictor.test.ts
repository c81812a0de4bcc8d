import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "mocha";
import packageJson from "../package.json" with { type: "json" };
import { countingModel, identityModel, lookupModel } from "../hack/models/fixtures.ts";
import { irisPath, TestPredictor } from "./testing/test-predictor.ts";
import { version } from "./version.ts";

const forever = 2 ** 53 - 1;
const count = (trips: number): object => ({
  inputs: [{ name: "trips", datatype: "INT64", shape: [1], data: [trips] }],
});
const flower = {
  inputs: [{ name: "input", datatype: "FP32", shape: [1, 4], data: [5.1, 3.5, 1.4, 0.2] }],
};

let folder = "";
let counting = "";
const started: TestPredictor[] = [];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pilotlight-predictor-"));
  counting = join(folder, "counting.onnx");
  await writeFile(counting, countingModel());
  await writeFile(join(folder, "lookup.onnx"), lookupModel());
});
after(async () => rm(folder, { recursive: true }));
afterEach(async () => {
  for (const each of started.splice(0)) await each[Symbol.asyncDispose]();
});

async function serve(
  path: string,
  environment: Record<string, string> = {},
): Promise<TestPredictor> {
  const predictor = new TestPredictor({ STORAGE_URI: path, MODEL_NAME: "m", ...environment });
  started.push(predictor);
  await predictor.logged("serving");
  return predictor;
}

async function fail(environment: Record<string, string>, args: string[] = []) {
  const terminationLog = join(folder, "termination-log");
  await writeFile(terminationLog, "");
  const predictor = new TestPredictor({ TERMINATION_LOG: terminationLog, ...environment }, args);
  started.push(predictor);
  const code = await predictor.exited;
  return { code, lastWords: await readFile(terminationLog, "utf8") };
}

/**
 * Asks for health one time after the other until the promise settles. A blocked event loop would
 * give one answer, after the run. The usual answer takes a few milliseconds: the bound is that of
 * the runtime contract, and the median is not moved by what a busy machine does to some.
 */
async function assertHealthyUntil(
  predictor: TestPredictor,
  until: Promise<unknown>,
): Promise<void> {
  const over = new AbortController();
  void until.finally(() => over.abort());
  const times: number[] = [];
  while (!over.signal.aborted) {
    const asked = performance.now();
    assert.equal((await predictor.get("/v2/health/live")).status, 200);
    times.push(performance.now() - asked);
  }
  times.sort((left, right) => left - right);
  const usual = times[Math.floor(times.length / 2)] ?? 0;
  assert(times.length >= 10, `only ${times.length} health answers while the run went on`);
  assert(usual < 100, `half of ${times.length} health answers took over ${usual} ms`);
}

describe("a predictor whose model runs long", () => {
  it("answers health in under 100 ms while an inference runs, and then the inference", async () => {
    const predictor = await serve(counting, { LOG_LEVEL: "info" });
    // Doubled until it runs long enough to be asked meanwhile, however fast the machine is.
    let trips = 100_000;
    for (let tookMs = 0; tookMs < 1000; trips *= 2) {
      const began = performance.now();
      await predictor.post("/v2/models/m/infer", count(trips));
      tookMs = performance.now() - began;
    }
    const long = predictor.post("/v2/models/m/infer", count(trips));
    await assertHealthyUntil(predictor, long);
    assert.equal((await long).status, 200);
  });

  it("ends a run without end by 504, replaces the executor, and serves who comes", async () => {
    const predictor = await serve(counting, { REQUEST_TIMEOUT_SECONDS: "1.5" });
    const before_ = predictor.executorPid();
    const endless = predictor.post("/v2/models/m/infer", count(forever));
    await predictor.untilMetric("nv_inference_pending_request_count", 0);
    await assertHealthyUntil(predictor, endless);
    assert.equal((await endless).status, 504);
    assert.deepEqual((await endless).json, { error: "the inference did not finish in time" });
    // Not under the deadline of a request: a busy machine may take longer to start a process.
    await predictor.untilMetric("pilotlight_executor_restarts_total", 1);
    await predictor.untilReady();
    const next = await predictor.post("/v2/models/m/infer", count(3));
    assert.equal(next.status, 200, next.text);
    assert.notEqual(predictor.executorPid(), before_);
    assert.equal(await predictor.metric("pilotlight_executor_restarts_total"), 1);
  });

  it("answers 500 when the executor is killed under a run; who waits is served by the next", async () => {
    const predictor = await serve(counting);
    const lost = predictor.post("/v2/models/m/infer", count(forever));
    const pid = predictor.executorPid();
    await untilBusy(pid);
    const waiting = [1, 2, 3].map(async (trips) =>
      predictor.post("/v2/models/m/infer", count(trips)),
    );
    await predictor.untilMetric("nv_inference_pending_request_count", 3);
    process.kill(pid, "SIGKILL");
    assert.equal((await lost).status, 500);
    for (const each of waiting) assert.equal((await each).status, 200);
  });

  it("answers 429 with Retry-After when the queue is full, and not before", async () => {
    const predictor = await serve(counting, { QUEUE_DEPTH_MAX: "1", REQUEST_TIMEOUT_SECONDS: "2" });
    const first = predictor.post("/v2/models/m/infer", count(forever));
    await untilBusy(predictor.executorPid());
    const second = predictor.post("/v2/models/m/infer", count(1));
    await predictor.untilMetric("nv_inference_pending_request_count", 1);
    const third = await predictor.post("/v2/models/m/infer", count(1));
    assert.equal(third.status, 429);
    assert.equal(third.headers.get("retry-after"), "1");
    assert.equal(
      await predictor.metric(
        'nv_inference_request_failure{model="m",version="1",reason="REJECTED"}',
      ),
      1,
    );
    assert.equal((await first).status, 504);
    assert([200, 504].includes((await second).status));
  });

  it("takes a client that hung up out of the queue", async () => {
    const predictor = await serve(counting, { REQUEST_TIMEOUT_SECONDS: "5" });
    const busy = predictor.post("/v2/models/m/infer", count(forever));
    await untilBusy(predictor.executorPid());
    const abort = new AbortController();
    const gone = predictor.post("/v2/models/m/infer", count(1), { signal: abort.signal });
    await predictor.untilMetric("nv_inference_pending_request_count", 1);
    abort.abort();
    await assert.rejects(gone);
    await predictor.untilMetric("nv_inference_pending_request_count", 0);
    assert.equal(
      await predictor.metric(
        'nv_inference_request_failure{model="m",version="1",reason="CANCELED"}',
      ),
      1,
    );
    process.kill(predictor.executorPid(), "SIGKILL");
    assert.equal((await busy).status, 500);
  });
});

/** Waits until a process computes: its CPU time grows. */
async function untilBusy(pid: number): Promise<void> {
  const ticks = async (): Promise<number> => {
    const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  const before_ = await ticks();
  while ((await ticks()) < before_ + 5);
}

describe("several executors", () => {
  it("run beside each other, so that one long run holds nobody up", async () => {
    const predictor = await serve(counting, { EXECUTORS: "2", INTRA_OP_NUM_THREADS: "1" });
    let over = false;
    const long = predictor.post("/v2/models/m/infer", count(forever)).finally(() => (over = true));
    for (let turn = 0; turn < 3; turn++) {
      assert.equal((await predictor.post("/v2/models/m/infer", count(3))).status, 200);
    }
    assert.equal(over, false, "it still runs");
    const pids = predictor.executorPids();
    assert.equal(pids.length, 2);
    for (const pid of pids) process.kill(pid, "SIGKILL");
    assert.equal((await long).status, 500);
    await predictor.logged("executor replaced", 2);
  });
});

describe("a poisoned request", () => {
  it("fails alone, with the reason and without a path", async () => {
    const predictor = await serve(join(folder, "lookup.onnx"));
    const look = async (id: number) =>
      predictor.post("/v2/models/m/infer", {
        inputs: [{ name: "ids", datatype: "INT64", shape: [1, 1], data: [id] }],
      });
    const ids = [0, 1, 99, 2, 3, 99, 1];
    const answers = await Promise.all(ids.map(look));
    assert.deepEqual(
      answers.map(({ status }) => status),
      ids.map((id) => (id === 99 ? 400 : 200)),
    );
    assert.match(answers[2]?.text ?? "", /refuses this input: indices element out of data bounds/);
    assert.doesNotMatch(answers[2]?.text ?? "", /\//);
    assert.equal(await predictor.metric("pilotlight_executor_restarts_total"), 0);
  });
});

describe("the end", () => {
  it("loses none of eight requests in flight, serves on meanwhile, and exits with 0", async () => {
    const predictor = await serve(counting);
    const trips = 60_000;
    const inFlight = Array.from({ length: 8 }, async () =>
      predictor.post("/v2/models/m/infer", count(trips)),
    );
    await untilBusy(predictor.executorPid());
    predictor.signal("SIGTERM");
    await predictor.logged("draining");
    const [ready, late] = await Promise.all([
      predictor.get("/v2/health/ready"),
      predictor.post("/v2/models/m/infer", count(1)),
    ]);
    assert.equal(ready.status, 503);
    assert.equal(ready.headers.get("connection"), "close");
    assert.equal(late.status, 200, "still served");
    for (const each of inFlight) assert.equal((await each).status, 200);
    assert.equal(await predictor.exited, 0);
  });

  it("comes at once by a second signal", async () => {
    const predictor = await serve(counting);
    const cut = predictor.post("/v2/models/m/infer", count(forever));
    await untilBusy(predictor.executorPid());
    predictor.signal("SIGTERM");
    await predictor.logged("draining");
    predictor.signal("SIGTERM");
    await assert.rejects(cut);
    assert.equal(await predictor.exited, 70);
  });

  it("comes after the drain timeout, whatever runs", async () => {
    const predictor = await serve(counting, { DRAIN_TIMEOUT_SECONDS: "0.5" });
    const cut = predictor.post("/v2/models/m/infer", count(forever));
    await untilBusy(predictor.executorPid());
    predictor.signal("SIGINT");
    await assert.rejects(cut);
    assert.equal(await predictor.exited, 0);
  });

  it("of the predictor is the executor's, even of one that computes", async () => {
    const predictor = await serve(counting);
    predictor.post("/v2/models/m/infer", count(forever)).catch(() => {});
    const pid = predictor.executorPid();
    await untilBusy(pid);
    predictor.signal("SIGKILL");
    await predictor.exited;
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setImmediate(resolve));
  });

  it("comes with standard input's, if so agreed", async () => {
    const predictor = await serve(irisPath, { PARENT_LIVENESS: "stdin" });
    predictor.child.stdin?.end();
    assert.equal(await predictor.exited, 0);
  });
});

describe("while the model is loading", () => {
  it("is alive, not ready, and says 503 with Retry-After; a signal still ends it", async () => {
    const silent = createServer(() => {}); // a storage that never answers
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const storage = `http://127.0.0.1:${port}/m.onnx`;
    const predictor = new TestPredictor({
      STORAGE_URI: storage,
      MODEL_DIR: folder,
      ALLOW_INSECURE_HTTP: "true",
    });
    started.push(predictor);
    await predictor.logged("listening");
    assert.equal((await predictor.get("/v2/health/live")).status, 200);
    for (const path of ["/v2/health/ready", "/v2/models/m", "/v2/models/m/ready"]) {
      const { status, headers } = await predictor.get(path);
      assert.equal(status, 503, path);
      assert.equal(headers.get("retry-after"), "1", path);
    }
    assert.equal((await predictor.post("/v2/models/m/infer", flower)).status, 503);
    predictor.signal("SIGTERM");
    assert.equal(await predictor.exited, 0);
    silent.closeAllConnections();
    silent.close();
  });
});

describe("exit codes and last words", () => {
  it("64 for a wrong environment, with all mistakes", async () => {
    const { code, lastWords } = await fail({ PORT: "x" }, ["--no-such-flag=1"]);
    assert.equal(code, 64);
    assert.match(lastWords, /no-such-flag.*PORT/);
  });
  it("65 for a file that is no model", async () => {
    const path = join(folder, "broken.onnx");
    await writeFile(path, identityModel("FLOAT").subarray(0, 40));
    const { code, lastWords } = await fail({ STORAGE_URI: path });
    assert.equal(code, 65);
    assert.notEqual(lastWords, "");
  });
  it("66 for no model at all", async () => {
    const { code, lastWords } = await fail({ STORAGE_URI: join(folder, "absent.onnx") });
    assert.equal(code, 66);
    assert.match(lastWords, /absent\.onnx/);
  });
  it("70 for a port that is taken", async () => {
    const predictor = await serve(irisPath);
    const { code } = await fail({ STORAGE_URI: irisPath, PORT: String(predictor.port) });
    assert.equal(code, 70);
  });
});

describe("versions", () => {
  it("are served by number, the highest by default", async () => {
    const models = join(folder, "versions");
    for (const [number, model] of [
      ["1", identityModel("FLOAT")],
      ["10", countingModel()],
    ] as const) {
      await mkdir(join(models, number), { recursive: true });
      await writeFile(join(models, number, "model.onnx"), model);
    }
    const predictor = await serve(models);
    const one = await predictor.post("/v2/models/m/versions/1/infer", {
      inputs: [{ name: "x", datatype: "FP32", shape: [1, 1], data: [7] }],
    });
    assert.equal(one.status, 200, one.text);
    assert.equal((one.json as { model_version: string }).model_version, "1");
    const newest = await predictor.post("/v2/models/m/infer", count(1));
    assert.equal((newest.json as { model_version: string }).model_version, "10");
    const metadata = (await predictor.get("/v2/models/m")).json as { versions: string[] };
    assert.deepEqual(metadata.versions, ["1", "10"]);
    for (const none of ["2", "v1", "-1", "1000000000", "__proto__"]) {
      const { status } = await predictor.get(`/v2/models/m/versions/${none}`);
      assert.equal(status, 404, none);
    }
  });
});

it("the version is the package's", () => assert.equal(version, packageJson.version));
