/**
 * Cumulative statistics of a model version, as the statistics extension words them.
 * https://github.com/triton-inference-server/server: docs/protocol/extension_statistics.md
 */
import type { FinishedRun } from "../batch/batcher.ts";

/** How often, and how long altogether. */
export type Duration = { count: number; ns: number };

export type BatchStatistics = {
  readonly batch_size: number;
  readonly compute_input: Duration;
  readonly compute_infer: Duration;
  readonly compute_output: Duration;
};

export type ModelStatistics = {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970; 0 before the first inference. */
  readonly last_inference: number;
  /** Rows. */
  readonly inference_count: number;
  /** Runs of the model. */
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<Stage, Duration>>;
  readonly batch_stats: readonly BatchStatistics[];
};

const stages = [
  "success",
  "fail",
  "queue",
  "compute_input",
  "compute_infer",
  "compute_output",
  "cache_hit",
  "cache_miss",
] as const;
type Stage = (typeof stages)[number];

type Times = { readonly decodeMs: number; readonly predictMs: number; readonly encodeMs: number };

const nsPerMs = 1_000_000;

function add(to: Duration, ms: number): void {
  to.count++;
  to.ns += Math.round(ms * nsPerMs);
}

export class StatisticsRecorder {
  readonly #name: string;
  readonly #version: string;
  readonly #nowMs: () => number;
  readonly #stages = Object.fromEntries(
    stages.map((stage) => [stage, { count: 0, ns: 0 }]),
  ) as Record<Stage, Duration>;
  readonly #runsByRows = new Map<number, Duration>();
  #lastInference = 0;
  #rows = 0;
  #runs = 0;

  /** `nowMs` is the wall clock. */
  constructor(name: string, version: string, nowMs: () => number = Date.now) {
    this.#name = name;
    this.#version = version;
    this.#nowMs = nowMs;
  }

  succeeded({ decodeMs, predictMs, encodeMs }: Times): void {
    add(this.#stages.success, decodeMs + predictMs + encodeMs);
    add(this.#stages.compute_input, decodeMs);
    add(this.#stages.compute_output, encodeMs);
  }

  failed(ms: number): void {
    add(this.#stages.fail, ms);
  }

  ran({ rows, runMs, queueMs }: Pick<FinishedRun, "rows" | "runMs" | "queueMs">): void {
    this.#rows += rows;
    this.#runs++;
    this.#lastInference = this.#nowMs();
    for (const each of queueMs) {
      add(this.#stages.queue, each);
      add(this.#stages.compute_infer, runMs);
    }
    let ofSize = this.#runsByRows.get(rows);
    if (ofSize === undefined) this.#runsByRows.set(rows, (ofSize = { count: 0, ns: 0 }));
    add(ofSize, runMs);
  }

  snapshot(): ModelStatistics {
    const sizes = [...this.#runsByRows].toSorted(([one], [other]) => one - other);
    const none = { count: 0, ns: 0 };
    return {
      name: this.#name,
      version: this.#version,
      last_inference: this.#lastInference,
      inference_count: this.#rows,
      execution_count: this.#runs,
      inference_stats: structuredClone(this.#stages),
      // Decoding and encoding happen per request, outside of the batch.
      batch_stats: sizes.map(([rows, infer]) => ({
        batch_size: rows,
        compute_input: none,
        compute_infer: { ...infer },
        compute_output: none,
      })),
    };
  }
}
