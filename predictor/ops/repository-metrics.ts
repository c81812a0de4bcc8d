/** Metrics of a repository of many models: what is in memory, what came, what went. */
import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";

export type RepositoryMetrics = {
  /** A request found its model in memory, or had to wait for it. */
  readonly found: (inMemory: boolean) => void;
  readonly loaded: (ms: number) => void;
  readonly failed: () => void;
  readonly evicted: () => void;
  readonly executorEnded: () => void;
};

/** What the gauges ask when they are read. */
export type RepositoryState = {
  resident(): number;
  usedBytes(): number;
  readonly budgetBytes: number;
};

const loadSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** All at zero from the start. */
export function repositoryMetricsIn(registry: Registry, state: RepositoryState): RepositoryMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    const collect = function collect(this: Gauge): void {
      this.set(read());
    };
    void new Gauge({ name: `pilotlight_models_${name}`, help, registers, collect });
  };
  gauge("resident", "Models in memory", () => state.resident());
  gauge("memory_bytes", "Memory of the executor processes", () => state.usedBytes());
  gauge("memory_budget_bytes", "MODEL_MEMORY_BUDGET", () => state.budgetBytes);
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name: `pilotlight_${name}_total`, help, labelNames: [...labelNames], registers });
  const lookups = counter("model_lookups", "Requests by whether their model was in memory", [
    "result",
  ]);
  const [hit, miss] = [lookups.labels("hit"), lookups.labels("miss")];
  for (const each of [hit, miss]) each.inc(0);
  const failed = counter("model_load_failures", "Loads that failed", []);
  const evictions = counter("model_evictions", "Models that left memory for others", []);
  const ended = counter("model_executors_ended", "Executor processes replaced or crashed", []);
  const loads = new Histogram({
    name: "pilotlight_model_load_seconds",
    help: "Time of loads into memory",
    buckets: loadSeconds,
    registers,
  });
  return {
    found: (inMemory) => (inMemory ? hit : miss).inc(),
    loaded: (ms) => loads.observe(ms / 1000),
    failed: () => failed.inc(),
    evicted: () => evictions.inc(),
    executorEnded: () => ended.inc(),
  };
}
