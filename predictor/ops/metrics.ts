/**
 * Prometheus metrics. KServe's and Triton's names where these have the thing, so that existing
 * dashboards and autoscalers work; the prefix pilotlight_ for the rest.
 */
import type { FinishedRun } from "../batch/batcher.ts";
import type { PayloadOutcome } from "../observe/payload-sink.ts";
import { StatisticsRecorder } from "./statistics.ts";
import type { ModelStatistics } from "./statistics.ts";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { repositoryMetricsIn } from "./repository-metrics.ts";
import type { RepositoryMetrics, RepositoryState } from "./repository-metrics.ts";

/** Why a request failed, in Triton's words. */
export const failureReasons = ["REJECTED", "CANCELED", "BACKEND", "OTHER"] as const;
export type FailureReason = (typeof failureReasons)[number];

const seconds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
/** Between them, where people set limits. */
const thresholds = [0.02, 0.075, 0.15, 0.2, 0.3, 0.4, 0.75, 1.5, 2, 3, 4];
const batchSizes = [1, 2, 4, 8, 16, 32, 64, 128];

export type Metrics = {
  /** The text of GET /metrics. */
  render(): Promise<string>;
  readonly contentType: string;
  /** For those who add metrics of their own. */
  readonly registry: Registry;
  /** The metrics of one model version, all at zero from the start. */
  forModel(model: string, version: string): ModelMetrics;
  /** Those of a repository of many models; asked for once. */
  forRepository(state: RepositoryState): RepositoryMetrics;
  /** Answers, by class of status: 2xx, 4xx, … */
  answered(status: number): void;
  /** What became of an event of the payload log. */
  payload(outcome: PayloadOutcome): void;
};

export type ModelMetrics = {
  readonly succeeded: (times: RequestTimes) => void;
  /** `ms` since the request's body was there; 0 when it never was. */
  readonly failed: (reason: FailureReason, ms?: number) => void;
  readonly pending: (requests: number) => void;
  readonly ran: (run: FinishedRun) => void;
  readonly restarted: () => void;
  /** The model is loaded, and runs on this execution provider. */
  readonly placed: (provider: string) => void;
  /** All this since the start of the process. */
  readonly statistics: () => ModelStatistics;
};

export type RequestTimes = {
  readonly decodeMs: number;
  readonly predictMs: number;
  readonly encodeMs: number;
};

const modelLabels = ["model", "version"] as const;

/** A registry of its own, so that tests don't share counters. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  const answers = counter("pilotlight_http_answers_total", "HTTP answers by class", ["class"]);
  const classes = new Map(
    ["1xx", "2xx", "3xx", "4xx", "5xx"].map((name) => [name[0], answers.labels(name)]),
  );
  for (const child of classes.values()) child.inc(0);
  const payloads = counter("pilotlight_payload_log_events_total", "Events of the payload log", [
    "outcome",
  ]);
  const forModel = modelMetricsIn(registry);
  return {
    render: async () => registry.metrics(),
    contentType: registry.contentType,
    registry,
    answered: (status) => classes.get(String(status)[0])?.inc(),
    payload: (outcome) => payloads.inc({ outcome }),
    forModel,
    forRepository: (state) => repositoryMetricsIn(registry, state),
  };
}

/** The metrics that models have, without labels yet. */
function defineModelMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const triton = (name: string, help: string) => counter(`nv_inference_${name}`, help, modelLabels);
  const stage = (name: string) =>
    new Histogram({
      name: `request_${name}_seconds`,
      help: `Time of a request's ${name}`,
      labelNames: ["model_name"],
      buckets: seconds,
      registers,
    });
  return {
    stages: [stage("preprocess"), stage("predict"), stage("postprocess")],
    // What the gate of a rollout reads (docs/runtime-contract.md).
    whole: new Histogram({
      name: "pilotlight_request_seconds",
      help: "Time of requests that were answered with a result, from body to answer",
      labelNames: [...modelLabels],
      buckets: [...seconds, ...thresholds].toSorted((a, b) => a - b),
      registers,
    }),
    success: triton("request_success", "Requests answered with a result"),
    failure: counter("nv_inference_request_failure", "Requests that failed", [
      ...modelLabels,
      "reason",
    ]),
    count: triton("count", "Inferences: rows of all batches"),
    runs: triton("exec_count", "Runs of the model: batches"),
    requestUs: triton("request_duration_us", "Time of requests, queueing included"),
    queueUs: triton("queue_duration_us", "Time of requests in the queue"),
    runUs: triton("compute_infer_duration_us", "Time of the model's runs"),
    pending: new Gauge({
      name: "nv_inference_pending_request_count",
      help: "Requests waiting for the executor",
      labelNames: [...modelLabels],
      registers,
    }),
    batch: new Histogram({
      name: "pilotlight_batch_requests",
      help: "Requests joined in a run",
      labelNames: [...modelLabels],
      buckets: batchSizes,
      registers,
    }),
    restarts: counter("pilotlight_executor_restarts_total", "Executors replaced", modelLabels),
    provider: new Gauge({
      name: "pilotlight_execution_provider",
      help: "1 for the execution provider that the model runs on",
      labelNames: [...modelLabels, "provider"],
      registers,
    }),
  };
}

function modelMetricsIn(registry: Registry): Metrics["forModel"] {
  const all = defineModelMetrics(registry);
  const recorders = new Map<string, StatisticsRecorder>();
  return (model, version) => {
    const of = { model, version };
    const key = JSON.stringify([model, version]);
    // A model that is loaded again goes on counting, as the counters do.
    const statistics = recorders.get(key) ?? new StatisticsRecorder(model, version);
    recorders.set(key, statistics);
    for (const each of [all.success, all.count, all.runs, all.requestUs]) each.inc(of, 0);
    for (const each of [all.queueUs, all.runUs, all.restarts]) each.inc(of, 0);
    for (const reason of failureReasons) all.failure.inc({ ...of, reason }, 0);
    for (const each of all.stages) each.zero({ model_name: model });
    all.batch.zero(of);
    all.whole.zero(of);
    all.pending.set(of, 0);
    // Children looked up once: a lookup by labels costs a microsecond per request each.
    const [decode, predict, encode] = all.stages.map((each) => each.labels(model));
    const succeeded = all.success.labels(of);
    const waiting = all.pending.labels(of);
    const duration = all.requestUs.labels(of);
    const whole = all.whole.labels(of);
    return {
      succeeded: ({ decodeMs, predictMs, encodeMs }) => {
        statistics.succeeded({ decodeMs, predictMs, encodeMs });
        succeeded.inc();
        decode?.observe(decodeMs / 1000);
        predict?.observe(predictMs / 1000);
        encode?.observe(encodeMs / 1000);
        const totalMs = decodeMs + predictMs + encodeMs;
        duration.inc(totalMs * 1000);
        whole.observe(totalMs / 1000);
      },
      failed: (reason, ms = 0) => {
        all.failure.inc({ ...of, reason });
        statistics.failed(ms);
      },
      statistics: () => statistics.snapshot(),
      pending: (requests) => waiting.set(requests),
      restarted: () => all.restarts.inc(of),
      placed: (provider) => all.provider.set({ ...of, provider }, 1),
      ran: ({ requests, rows, runMs, queueMs }) => {
        statistics.ran({ rows, runMs, queueMs });
        all.count.inc(of, rows);
        all.runs.inc(of);
        all.batch.observe(of, requests);
        all.runUs.inc(of, runMs * 1000);
        all.queueUs.inc(of, queueMs.reduce((sum, each) => sum + each, 0) * 1000);
      },
    };
  };
}
