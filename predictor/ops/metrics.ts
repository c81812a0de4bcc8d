/**
 * Prometheus metrics. KServe's and Triton's names where these have the thing, so that existing
 * dashboards and autoscalers work; the prefix pilotlight_ for the rest.
 */
import type { FinishedRun } from "../batch/batcher.ts";
import type { PayloadOutcome } from "../observe/payload-sink.ts";
import { StatisticsRecorder } from "./statistics.ts";
import type { ModelStatistics } from "./statistics.ts";
import { Counter, Gauge, Registry } from "prom-client";
import { repositoryMetricsIn } from "./repository-metrics.ts";
import type { RepositoryMetrics, RepositoryState } from "./repository-metrics.ts";
import { CounterFamily, GaugeFamily, HistogramFamily } from "./series.ts";

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
  /** Which contents a model has that is served now; those that it had are forgotten. */
  contents(model: string, digest: string): void;
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
  const answers = new CounterFamily({
    name: "pilotlight_http_answers_total",
    help: "HTTP answers by class",
    labelNames: ["class"],
    registry,
  });
  // By the status' first digit.
  const classes = [1, 2, 3, 4, 5].map((digit) => answers.labels({ class: `${digit}xx` }));
  const payloads = new Counter({
    name: "pilotlight_payload_log_events_total",
    help: "Events of the payload log",
    labelNames: ["outcome"],
    registers: [registry],
  });
  // What a revision's history tells (docs/runtime-contract.md).
  const info = new Gauge({
    name: "pilotlight_model_info",
    help: "1 for the contents of the model that is served",
    labelNames: ["model", "digest"],
    registers: [registry],
  });
  const forModel = modelMetricsIn(registry);
  return {
    render: async () => registry.metrics(),
    contentType: registry.contentType,
    registry,
    contents: (model, digest) => {
      info.reset();
      info.set({ model, digest }, 1);
    },
    answered: (status) => classes[Math.trunc(status / 100) - 1]?.add(1),
    payload: (outcome) => payloads.inc({ outcome }),
    forModel,
    forRepository: (state) => repositoryMetricsIn(registry, state),
  };
}

/** The metrics that models have, without labels yet. */
function defineModelMetrics(registry: Registry) {
  const triton = (name: string, help: string) =>
    new CounterFamily({ name: `nv_inference_${name}`, help, labelNames: modelLabels, registry });
  const stage = (name: string, buckets = seconds) =>
    new HistogramFamily({
      name: `request_${name}_seconds`,
      help: `Time of a request's ${name}`,
      labelNames: ["model_name"],
      buckets,
      registry,
    });
  return {
    decode: stage("preprocess"),
    predict: stage("predict"),
    encode: stage("postprocess"),
    // For dashboards that ask for it: nothing is explained here.
    explain: stage("explain", []),
    // What the gate of a rollout reads (docs/runtime-contract.md).
    whole: new HistogramFamily({
      name: "pilotlight_request_seconds",
      help: "Time of requests that were answered with a result, from body to answer",
      labelNames: modelLabels,
      buckets: [...seconds, ...thresholds].toSorted((a, b) => a - b),
      registry,
    }),
    success: triton("request_success", "Requests answered with a result"),
    failure: new CounterFamily({
      name: "nv_inference_request_failure",
      help: "Requests that failed",
      labelNames: [...modelLabels, "reason"],
      registry,
    }),
    count: triton("count", "Inferences: rows of all batches"),
    runs: triton("exec_count", "Runs of the model: batches"),
    requestUs: triton("request_duration_us", "Time of requests, queueing included"),
    queueUs: triton("queue_duration_us", "Time of requests in the queue"),
    inputUs: triton("compute_input_duration_us", "Time of decoding requests"),
    outputUs: triton("compute_output_duration_us", "Time of encoding answers"),
    runUs: triton("compute_infer_duration_us", "Time of the model's runs"),
    pending: new GaugeFamily({
      name: "nv_inference_pending_request_count",
      help: "Requests waiting for the executor",
      labelNames: modelLabels,
      registry,
    }),
    batch: new HistogramFamily({
      name: "pilotlight_batch_requests",
      help: "Requests joined in a run",
      labelNames: modelLabels,
      buckets: batchSizes,
      registry,
    }),
    restarts: new CounterFamily({
      name: "pilotlight_executor_restarts_total",
      help: "Executors replaced",
      labelNames: modelLabels,
      registry,
    }),
    provider: new Gauge({
      name: "pilotlight_execution_provider",
      help: "1 for the execution provider that the model runs on",
      labelNames: [...modelLabels, "provider"],
      registers: [registry],
    }),
  };
}

/** Says on which execution provider a model runs: on one at a time, also when it's loaded again. */
function placesIn(
  gauge: Gauge,
): (of: Record<"model" | "version", string>, provider: string) => void {
  const providers = new Map<string, string>();
  return (of, provider) => {
    const key = JSON.stringify([of.model, of.version]);
    const before = providers.get(key);
    if (before !== undefined) gauge.set({ ...of, provider: before }, 0);
    gauge.set({ ...of, provider }, 1);
    providers.set(key, provider);
  };
}

function modelMetricsIn(registry: Registry): Metrics["forModel"] {
  const all = defineModelMetrics(registry);
  const recorders = new Map<string, StatisticsRecorder>();
  const place = placesIn(all.provider);
  return (model, version) => {
    const of = { model, version };
    const key = JSON.stringify([model, version]);
    // A model that is loaded again goes on counting, as the counters do.
    const statistics = recorders.get(key) ?? new StatisticsRecorder(model, version);
    recorders.set(key, statistics);
    const failures = Object.fromEntries(
      failureReasons.map((reason) => [reason, all.failure.labels({ ...of, reason })]),
    );
    const ofName = { model_name: model };
    const [decode, predict, encode] = [
      all.decode.labels(ofName),
      all.predict.labels(ofName),
      all.encode.labels(ofName),
    ];
    const [success, duration, whole] = [
      all.success.labels(of),
      all.requestUs.labels(of),
      all.whole.labels(of),
    ];
    const [rowCount, runs, batch] = [
      all.count.labels(of),
      all.runs.labels(of),
      all.batch.labels(of),
    ];
    const [queueUs, runUs] = [all.queueUs.labels(of), all.runUs.labels(of)];
    const [inputUs, outputUs] = [all.inputUs.labels(of), all.outputUs.labels(of)];
    all.explain.labels(ofName);
    const restarts = all.restarts.labels(of);
    const waiting = all.pending.labels(of);
    return {
      succeeded: ({ decodeMs, predictMs, encodeMs }) => {
        statistics.succeeded({ decodeMs, predictMs, encodeMs });
        success.add(1);
        decode.observe(decodeMs / 1000);
        predict.observe(predictMs / 1000);
        encode.observe(encodeMs / 1000);
        inputUs.add(decodeMs * 1000);
        outputUs.add(encodeMs * 1000);
        const totalMs = decodeMs + predictMs + encodeMs;
        duration.add(totalMs * 1000);
        whole.observe(totalMs / 1000);
      },
      failed: (reason, ms = 0) => {
        failures[reason]?.add(1);
        statistics.failed(ms);
      },
      statistics: () => statistics.snapshot(),
      pending: (requests) => waiting.set(requests),
      restarted: () => restarts.add(1),
      placed: (provider) => place(of, provider),
      ran: ({ requests, rows, runMs, queueMs }) => {
        statistics.ran({ rows, runMs, queueMs });
        rowCount.add(rows);
        runs.add(1);
        batch.observe(requests);
        runUs.add(runMs * 1000);
        queueUs.add(queueMs.reduce((sum, each) => sum + each, 0) * 1000);
      },
    };
  };
}
