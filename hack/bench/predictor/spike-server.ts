/* oxlint-disable unicorn/require-post-message-target-origin -- threads, no browser windows */
/**
 * The predictor's own HTTP side and batcher over one of three executors: a child process as shipped,
 * a worker thread, and no isolation at all. Only the place of the session differs.
 */
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../../predictor/batch/port.ts";
import type { RunOutcome, RunPort } from "../../../predictor/batch/port.ts";
import { Executors } from "../../../predictor/executor/executors.ts";
import { importRuntime, openSession } from "../../../predictor/executor/session.ts";
import { createApp } from "../../../predictor/http/app.ts";
import { HttpServer } from "../../../predictor/http/server.ts";
import { Service } from "../../../predictor/http/service.ts";
import { createMetrics } from "../../../predictor/ops/metrics.ts";
import { inOnePiece } from "../../../predictor/protocol/tensor.ts";
import type { Signature, Tensor } from "../../../predictor/protocol/tensor.ts";
import { OneModel } from "../../../predictor/models/one-model.ts";
import { ServedModel, ServedVersion } from "../../../predictor/served-model.ts";
import type { Executor } from "../../../predictor/served-model.ts";
import { announce, serverOptions } from "./server.ts";

export type SpikeOptions = {
  readonly path: string;
  readonly threads: number;
  readonly place: "child" | "worker" | "thread" | "accelerator";
  readonly batchSizeMax: number;
};

type Run = (inputs: readonly Tensor[], outputs: readonly string[]) => Promise<readonly Tensor[]>;
type Placed = { executor: Executor; signature: Signature };

const entry = {
  command: process.execPath,
  args: [fileURLToPath(new URL("../../../predictor/executor/child-main.ts", import.meta.url))],
};

async function inChild({ path, threads }: SpikeOptions): Promise<Placed> {
  const observer = { respawned: () => {}, respawnFailed: () => {}, moved: () => {} };
  const clock = systemClock;
  const executor = new Executors(1, { entry, threads, loadTimeoutMs: 60_000, clock, observer });
  const { signature } = await executor.load(path);
  return { executor, signature };
}

async function sessionOf({ path, threads }: SpikeOptions): ReturnType<typeof openSession> {
  return openSession(await importRuntime(), { path, threads, optimization: "all" });
}

async function inThread(options: SpikeOptions): Promise<Placed> {
  const session = await sessionOf(options);
  return {
    executor: executorOf(async (...work) => session.run(...work)),
    signature: session.signature,
  };
}

/** What a run on the stand-in for an accelerator takes, whatever is in it. */
const acceleratorMs = 10;

/**
 * A stand-in for an accelerator, which this machine hasn't: results come from the session in the
 * thread, and each run takes a fixed time more, that of launching kernels and moving tensors.
 */
async function onAccelerator(options: SpikeOptions): Promise<Placed> {
  const session = await sessionOf(options);
  const run: Run = async (...work) => {
    await delay(acceleratorMs);
    return session.run(...work);
  };
  return { executor: executorOf(run), signature: session.signature };
}

async function inWorker(options: SpikeOptions): Promise<Placed> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: options });
  const ready = Promise.withResolvers<Signature>();
  worker.once("message", ready.resolve);
  const signature = await ready.promise;
  let answer: (outputs: Tensor[]) => void = () => {};
  worker.on("message", (outputs: Tensor[]) => answer(outputs));
  const run: Run = async (inputs, outputs) => {
    const { promise, resolve } = Promise.withResolvers<Tensor[]>();
    answer = resolve;
    worker.postMessage({ inputs, outputs });
    return promise;
  };
  return { executor: executorOf(run), signature };
}

/** A port over something that can't be replaced, which is the point of the comparison. */
function executorOf(run: Run): Executor {
  let running = false;
  const port: RunPort = {
    ready: () => !running,
    onReady: () => {},
    replace: () => {},
    run: async (inputs, outputs): Promise<RunOutcome> => {
      running = true;
      const started = performance.now();
      const tensors = await run(inputs.map(inOnePiece), outputs);
      running = false;
      return { kind: "done", outputs: tensors, ms: performance.now() - started };
    },
  };
  return { ports: [port], loaded: true, ready: () => !running, close: async () => {} };
}

async function serve(options: SpikeOptions): Promise<void> {
  const places = {
    child: inChild,
    worker: inWorker,
    thread: inThread,
    accelerator: onAccelerator,
  };
  const { executor, signature } = await places[options.place](options);
  const metrics = createMetrics();
  const limits = {
    batchSizeMax: options.batchSizeMax,
    batchLatencyMs: 0,
    concurrencyMax: Number.POSITIVE_INFINITY,
    queueDepthMax: 1000,
    queueBytesMax: 2 ** 30,
    timeoutMs: 300_000,
  };
  const batchable = options.batchSizeMax > 1;
  const how = { optimization: "all" as const, provider: "cpu", loadMs: 0, notes: [] };
  const loaded = { signature, batchable, ...how };
  const first = new ServedVersion(
    { version: "1", loaded, metrics: metrics.forModel("m", "1"), executor },
    { limits, clock: systemClock },
  );
  const open = async (): Promise<ServedVersion> => first;
  const model = new ServedModel({ name: "m", versions: ["1"], first, open });
  const service = new Service();
  const inference = { bodyBytesMax: 2 ** 26, onFault: () => {} };
  const answered = (status: number): void => metrics.answered(status);
  const server = new HttpServer({ service, requestTimeoutMs: 300_000, answered, inference });
  server.use(createApp({ service, metrics, version: "bench", ...inference }));
  server.serve(model);
  service.serve(new OneModel(model));
  announce(await server.listen(0, "127.0.0.1"));
}

async function work(options: SpikeOptions): Promise<void> {
  const session = await sessionOf(options);
  parentPort?.postMessage(session.signature);
  parentPort?.on("message", (message: { inputs: Tensor[]; outputs: string[] }) => {
    void session.run(message.inputs, message.outputs).then((outputs) => {
      // onnxruntime's outputs own their memory, so that it can change hands without a copy.
      parentPort?.postMessage(outputs, [...new Set(outputs.map(({ data }) => data.buffer))]);
    });
  });
}

await (isMainThread ? serve(serverOptions<SpikeOptions>()) : work(workerData as SpikeOptions));
