/**
 * Every metric of the controller, declared in this one file. Names are those of controller-runtime
 * and client-go where they exist, so that dashboards and alerts written for other operators work
 * here. No label comes from a tenant, except namespace and name of the InferenceService itself,
 * whose series go with it.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { KubeMetrics } from "../kube/hooks.ts";

/** Of the queue, for what is computed when somebody asks. */
export interface RunningKeys {
  readonly name: string;
  runningMs(): readonly { readonly ms: number }[];
}

export interface Metrics extends KubeMetrics {
  readonly contentType: string;
  /** The text that /metrics answers with. */
  render(): Promise<string>;
  /** Has the queue's running keys counted at each scrape. */
  observeQueue(queue: RunningKeys): void;
  /** `status` is True, False or Unknown of a condition of an InferenceService. */
  condition(object: { namespace: string; name: string; condition: string }, status: string): void;
  /** From creation, or from the last change of the spec, to Ready. */
  becameReady(seconds: number): void;
  /** Removes the series of an InferenceService that is gone. */
  forget(namespace: string, name: string): void;
}

const SECONDS_SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SECONDS_LONG = [1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];
const CONDITION_STATUSES = ["True", "False", "Unknown"] as const;

export interface MetricsOptions {
  readonly version: string;
  /**
   * Default metrics of the process and of Node; false in tests, where timers would outlive them.
   */
  readonly defaults?: boolean;
}

/** A registry of its own: two controllers in one process (tests) do not meet. */
export function createMetrics({ version, defaults = true }: MetricsOptions): Metrics {
  const registry = new Registry();
  if (defaults) collectDefaultMetrics({ register: registry });
  const build = gauge(registry, "pilotlight_build_info", "Version of the controller", ["version"]);
  build.set({ version }, 1);
  const queues: RunningKeys[] = [];
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    observeQueue: (queue) => {
      queues.push(queue);
    },
    ...httpMetrics(registry),
    ...reflectorMetrics(registry),
    ...queueMetrics(registry, queues),
    ...reconcileMetrics(registry),
    ...writeMetrics(registry),
    ...leaseMetrics(registry),
    ...inferenceServiceMetrics(registry),
  };
}

type Part<K extends keyof Metrics> = Pick<Metrics, K>;

function httpMetrics(registry: Registry): Part<"httpRequest"> {
  const total = counter(registry, "rest_client_requests_total", "Calls of the API server", [
    "code",
    "method",
    "host",
  ]);
  const duration = histogram(
    registry,
    "rest_client_request_duration_seconds",
    "Time to the headers of the API server's answer",
    ["verb", "host"],
  );
  return {
    httpRequest: ({ method, code, host, durationMs }) => {
      total.inc({ code, method, host });
      duration.observe({ verb: method, host }, durationMs / 1000);
    },
  };
}

type ReflectorMetric = "listed" | "watchStarted" | "relist" | "watchEvent" | "cacheItems";

function reflectorMetrics(registry: Registry): Part<ReflectorMetric> {
  const kind = ["kind"];
  const lists = counter(registry, "reflector_lists_total", "Complete lists", kind);
  const took = histogram(registry, "reflector_list_duration_seconds", "Time of a whole list", kind);
  const watches = counter(registry, "reflector_watches_total", "Watches opened", kind);
  const relists = counter(
    registry,
    "reflector_relists_total",
    "Lists begun, by what made them due",
    ["kind", "reason"],
  );
  const events = counter(registry, "reflector_watch_events_total", "Changes from watches", kind);
  const items = gauge(registry, "reflector_items", "Objects in the cache", kind);
  const last = gauge(
    registry,
    "reflector_last_event_timestamp_seconds",
    "Wall clock of the last change of the cache",
    kind,
  );
  return {
    listed: (name, _items, durationMs) => {
      lists.inc({ kind: name });
      took.observe({ kind: name }, durationMs / 1000);
    },
    watchStarted: (name) => watches.inc({ kind: name }),
    relist: (name, reason) => relists.inc({ kind: name, reason }),
    watchEvent: (name) => {
      events.inc({ kind: name });
      last.setToCurrentTime({ kind: name });
    },
    cacheItems: (name, count) => items.set({ kind: name }, count),
  };
}

type QueueMetric = "queueAdded" | "queueDepth" | "queueWaited" | "queueWorked" | "queueRetried";

function queueMetrics(registry: Registry, queues: readonly RunningKeys[]): Part<QueueMetric> {
  const labels = ["name", "controller"];
  const of = (queue: string): { name: string; controller: string } => ({
    name: queue,
    controller: queue,
  });
  const adds = counter(registry, "workqueue_adds_total", "Keys that began to wait", labels);
  const depth = gauge(registry, "workqueue_depth", "Keys that wait", labels);
  const waited = histogram(
    registry,
    "workqueue_queue_duration_seconds",
    "How long a key waited",
    labels,
  );
  const worked = histogram(
    registry,
    "workqueue_work_duration_seconds",
    "How long a key was worked on",
    labels,
  );
  const retries = counter(registry, "workqueue_retries_total", "Keys that failed", labels);
  collected(
    gauge(registry, "workqueue_unfinished_work_seconds", "Age of running work, summed", labels),
    queues,
    (ages) => ages.reduce((sum, ms) => sum + ms, 0),
  );
  collected(
    gauge(registry, "workqueue_longest_running_processor_seconds", "Oldest running work", labels),
    queues,
    (ages) => Math.max(0, ...ages),
  );
  return {
    queueAdded: (queue) => adds.inc(of(queue)),
    queueDepth: (queue, size) => depth.set(of(queue), size),
    queueWaited: (queue, ms) => waited.observe(of(queue), ms / 1000),
    queueWorked: (queue, ms) => worked.observe(of(queue), ms / 1000),
    queueRetried: (queue) => retries.inc(of(queue)),
  };
}

/** Computes the gauge at each scrape from the ages of the running keys, in milliseconds. */
function collected(
  metric: Gauge,
  queues: readonly RunningKeys[],
  combine: (agesMs: readonly number[]) => number,
): void {
  Object.assign(metric, {
    collect: () => {
      for (const queue of queues) {
        const ages = queue.runningMs().map(({ ms }) => ms);
        metric.set({ name: queue.name, controller: queue.name }, combine(ages) / 1000);
      }
    },
  });
}

type ReconcileMetric =
  | "reconciled"
  | "reconcileTimedOut"
  | "activeWorkers"
  | "maxWorkers"
  | "staleCache";

function reconcileMetrics(registry: Registry): Part<ReconcileMetric> {
  const by = ["controller"];
  const total = counter(registry, "controller_runtime_reconcile_total", "Reconciles, by result", [
    "controller",
    "result",
  ]);
  const errors = counter(
    registry,
    "controller_runtime_reconcile_errors_total",
    "Reconciles that threw",
    by,
  );
  const timeouts = counter(
    registry,
    "controller_runtime_reconcile_timeouts_total",
    "Reconciles that ran into their deadline",
    by,
  );
  const time = histogram(
    registry,
    "controller_runtime_reconcile_time_seconds",
    "Time of a reconcile",
    by,
  );
  const active = gauge(registry, "controller_runtime_active_workers", "Workers at work", by);
  const max = gauge(registry, "controller_runtime_max_concurrent_reconciles", "Workers", by);
  const stale = counter(
    registry,
    "pilotlight_reconcile_stale_cache_total",
    "Reconciles put off until the cache shows our own writes",
    by,
  );
  return {
    reconciled: (controller, result, ms) => {
      total.inc({ controller, result });
      if (result === "error") errors.inc({ controller });
      time.observe({ controller }, ms / 1000);
    },
    reconcileTimedOut: (controller) => timeouts.inc({ controller }),
    activeWorkers: (controller, count) => active.set({ controller }, count),
    maxWorkers: (controller, count) => {
      max.set({ controller }, count);
      active.set({ controller }, 0);
      errors.inc({ controller }, 0);
      timeouts.inc({ controller }, 0);
      stale.inc({ controller }, 0);
    },
    staleCache: (controller) => stale.inc({ controller }),
  };
}

function writeMetrics(registry: Registry): Part<"wrote" | "eventDropped"> {
  const writes = counter(
    registry,
    "pilotlight_writes_total",
    "Writes the API server accepted; at rest this must not grow",
    ["kind", "verb"],
  );
  const dropped = counter(registry, "pilotlight_events_dropped_total", "Events not published", [
    "reason",
  ]);
  for (const reason of ["spam", "overflow", "failed"]) dropped.inc({ reason }, 0);
  return {
    wrote: (kind, verb) => writes.inc({ kind, verb }),
    eventDropped: (reason) => dropped.inc({ reason }),
  };
}

function leaseMetrics(registry: Registry): Part<"leading" | "leaseRenewed" | "leaseSlowPath"> {
  const name = ["name"];
  const master = gauge(registry, "leader_election_master_status", "1 while this one leads", name);
  const slow = counter(
    registry,
    "leader_election_slowpath_total",
    "Renewals that had to read the lease again",
    name,
  );
  const latency = histogram(
    registry,
    "pilotlight_lease_renew_latency_seconds",
    "Time to renew the lease",
    name,
  );
  return {
    leading: (lease, leading) => master.set({ name: lease }, leading ? 1 : 0),
    leaseRenewed: (lease, ms) => latency.observe({ name: lease }, ms / 1000),
    leaseSlowPath: (lease) => slow.inc({ name: lease }),
  };
}

type DomainMetric = "condition" | "becameReady" | "forget";

function inferenceServiceMetrics(registry: Registry): Part<DomainMetric> {
  const status = gauge(
    registry,
    "inferenceservice_ready_status",
    "1 for the status that a condition of an InferenceService has, 0 for the others",
    ["namespace", "name", "condition", "status"],
  );
  const ready = new Histogram({
    name: "inferenceservice_reconcile_to_ready_seconds",
    help: "From a change of the spec to Ready",
    buckets: SECONDS_LONG,
    registers: [registry],
  });
  /** Which conditions an object has series for, so that exactly these can be removed. */
  const known = new Map<string, Set<string>>();
  return {
    condition: (object, value) => {
      const key = `${object.namespace}/${object.name}`;
      known.set(key, (known.get(key) ?? new Set()).add(object.condition));
      for (const one of CONDITION_STATUSES) {
        status.set({ ...object, status: one }, one === value ? 1 : 0);
      }
    },
    becameReady: (seconds) => ready.observe(seconds),
    forget: (namespace, name) => {
      for (const condition of known.get(`${namespace}/${name}`) ?? []) {
        for (const one of CONDITION_STATUSES) {
          status.remove({ namespace, name, condition, status: one });
        }
      }
      known.delete(`${namespace}/${name}`);
    },
  };
}

function counter(registry: Registry, name: string, help: string, labelNames: string[]): Counter {
  return new Counter({ name, help, labelNames, registers: [registry] });
}

function gauge(registry: Registry, name: string, help: string, labelNames: string[]): Gauge {
  return new Gauge({ name, help, labelNames, registers: [registry] });
}

function histogram(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
): Histogram {
  return new Histogram({ name, help, labelNames, buckets: SECONDS_SHORT, registers: [registry] });
}
