/**
 * Wires caches to the queue, the queue to workers, and the whole to the lease; and ends it all in
 * the right order.
 */
import type { Kind, KubeObject } from "../cluster.ts";
import { systemClock, type Clock } from "./clock.ts";
import type { CacheEvent, KubeCluster } from "./cluster.ts";
import { noMetrics, type KubeMetrics, type Log } from "./hooks.ts";
import type { Elector } from "./lease.ts";
import type { Priority, WorkQueue } from "./queue.ts";
import { Workers, type Reconcile } from "./workers.ts";

/** Which keys an object of a kind concerns: its own, its owner's, those that refer to it. */
export interface WatchMapping {
  readonly kind: Kind;
  readonly keys: (object: KubeObject) => readonly string[];
}

export interface ControllerOptions {
  /** Label of the metrics and field of the logs. */
  readonly name: string;
  readonly cluster: KubeCluster;
  readonly queue: WorkQueue;
  readonly watches: readonly WatchMapping[];
  readonly reconcile: Reconcile;
  readonly workers: number;
  readonly log: Log;
  /** Without one, this process leads from the start. */
  readonly elector?: Elector;
  readonly reconcileTimeoutMs?: number;
  /** How long stop() waits for running reconciles before it tells them to end. */
  readonly graceMs?: number;
  readonly clock?: Clock;
  readonly metrics?: KubeMetrics;
}

export type Ended = "stopped" | "lost";

export interface RunningController {
  /**
   * Stops the intake, lets workers finish within the grace, gives the lease back, ends the watches.
   * Idempotent.
   */
  stop(): Promise<void>;
  /**
   * "lost": the lease ran out, nothing is written any more, and the process should end with a code
   * other than 0.
   */
  readonly ended: Promise<Ended>;
}

/** After the grace, how long a reconcile that was told to end may take to do so. */
const ABORT_GRACE_MS = 2000;

/** Starts everything. The caller ends the process when `ended` resolves. */
export function runController(options: ControllerOptions): RunningController {
  const controller = new Controller(options);
  controller.start();
  return controller;
}

/**
 * The keys of an owner reference, as most mappings want them: `namespace/name` of the controller of
 * that kind.
 */
export function ownerKeys(object: KubeObject, owner: Kind): readonly string[] {
  const { namespace, ownerReferences } = object.metadata;
  return (ownerReferences ?? [])
    .filter((reference) => reference.controller === true && isOf(owner, reference))
    .map(({ name }) => (namespace === undefined ? name : `${namespace}/${name}`));
}

/** By group, not by version: a reference made under an older version of the API counts. */
function isOf(owner: Kind, reference: { apiVersion: string; kind: string }): boolean {
  const [group] = owner.apiVersion.split("/");
  return reference.kind === owner.kind && reference.apiVersion.split("/")[0] === group;
}

class Controller implements RunningController {
  readonly ended: Promise<Ended>;
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #workers: Workers;
  readonly #stopping = new AbortController();
  readonly #resolveEnded: (how: Ended) => void;
  #working: Promise<void> = Promise.resolve();
  #stop: Promise<void> | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#workers = new Workers({
      name: options.name,
      queue: options.queue,
      reconcile: options.reconcile,
      consistency: options.cluster.consistency,
      workers: options.workers,
      reconcileTimeoutMs: options.reconcileTimeoutMs ?? 120_000,
      clock: this.#clock,
      log: options.log,
      metrics: options.metrics ?? noMetrics,
    });
    const { promise, resolve } = Promise.withResolvers<Ended>();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  start(): void {
    const { cluster, watches, elector } = this.#options;
    for (const watch of watches)
      cluster.onChange(watch.kind, (event) => this.#enqueue(watch, event));
    cluster.start();
    elector?.start();
    void elector?.lost.then(() => this.#end("lost"));
    this.#working = this.#work();
  }

  stop(): Promise<void> {
    return this.#end("stopped");
  }

  /** Standbys keep their caches warm and their queue full: what waits is one entry per object. */
  async #work(): Promise<void> {
    const { cluster, elector, log, name } = this.#options;
    try {
      await cluster.waitForSync(this.#stopping.signal);
      log.info({ controller: name }, "the caches are synced");
      await Promise.race([elector?.elected, aborted(this.#stopping.signal)]);
    } catch {
      // stop() came first.
      return;
    }
    await this.#workers.run();
  }

  #enqueue({ keys }: WatchMapping, event: CacheEvent): void {
    const priority: Priority = event.type === "resync" ? "low" : "normal";
    const { queue } = this.#options;
    // An object that changed hands concerns the old owner as well.
    const before = event.type === "updated" ? keys(event.before) : [];
    for (const key of new Set([...keys(event.object), ...before])) queue.add(key, priority);
  }

  #end(how: Ended): Promise<void> {
    this.#stop ??= this.#shutDown(how);
    return this.#stop;
  }

  async #shutDown(how: Ended): Promise<void> {
    const { cluster, elector, queue, graceMs, log, name } = this.#options;
    this.#stopping.abort(new Error("the controller is stopping"));
    const drained = queue.shutdown();
    // Without the lease nothing may be finished any more; with it, work in progress may.
    const patienceMs = how === "lost" ? 0 : (graceMs ?? 20_000);
    if (!(await this.#within(drained, patienceMs))) {
      this.#workers.abort(new Error(`controller ${how}: reconcile has to end`));
      const ended = await this.#within(drained, ABORT_GRACE_MS);
      if (!ended)
        log.warn({ controller: name, running: queue.runningMs() }, "work did not end in time");
    }
    // While work goes on that would not end, nobody else may start: the lease runs out by itself.
    await elector?.stop({ giveBack: queue.runningMs().length === 0 });
    await this.#working;
    await cluster.stop();
    this.#resolveEnded(how);
  }

  async #within(done: Promise<void>, limitMs: number): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = this.#clock.schedule(() => late.resolve(false), limitMs);
    const inTime = await Promise.race([done.then(() => true), late.promise]);
    timer.cancel();
    return inTime;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}
