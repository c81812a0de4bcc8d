/**
 * Takes keys from the queue and reconciles them: so many at a time, each with a deadline, each
 * failure its own. A reconcile waits until the cache has caught up with the writes of the one
 * before (F01).
 */
import type { Clock } from "./clock.ts";
import type { Consistency } from "./consistency.ts";
import { ApiError, LeaseLostError } from "./errors.ts";
import type { KubeMetrics, Log, ReconcileResult } from "./hooks.ts";
import type { WorkQueue } from "./queue.ts";
import { runForKey } from "./reconcile-scope.ts";

export interface Outcome {
  /** Look again after so long; without it, only a change or a resync brings the key back. */
  readonly requeueAfterMs?: number;
}

/**
 * Reconciles `namespace/name`. Throwing means: try again, with backoff. The signal ends at the
 * deadline or on shutdown.
 */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;

export interface WorkersOptions {
  readonly name: string;
  readonly queue: WorkQueue;
  readonly reconcile: Reconcile;
  readonly consistency: Consistency;
  readonly workers: number;
  readonly reconcileTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: KubeMetrics;
}

/**
 * How long a reconcile is put off for a cache that lags behind, before it runs on what there is.
 */
const STALE_MS_MAX = 30_000;
const STALE_POLL_MS_MIN = 20;
const STALE_POLL_MS_MAX = 1000;

export class Workers {
  readonly #options: WorkersOptions;
  /** Of the reconciles that run. AbortSignal.any would leave weak references behind each time. */
  readonly #running = new Set<AbortController>();
  #aborted: Error | undefined;
  /** Key → since when it waits for the cache. */
  readonly #staleSinceMs = new Map<string, number>();
  #active = 0;

  constructor(options: WorkersOptions) {
    this.#options = options;
    options.metrics.maxWorkers(options.name, options.workers);
  }

  /** Resolves when the queue is shut down and every worker has come home. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.workers }, () => this.#work()));
  }

  /** Tells the reconciles that run to end early. */
  abort(reason: Error): void {
    this.#aborted = reason;
    for (const running of this.#running) running.abort(reason);
  }

  async #work(): Promise<void> {
    const { queue } = this.#options;
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      if (this.#isStale(key)) queue.done(key);
      else await this.#reconcile(key);
    }
  }

  #isStale(key: string): boolean {
    const { consistency, queue, clock, log, metrics, name } = this.#options;
    if (consistency.caughtUp(key)) {
      this.#staleSinceMs.delete(key);
      return false;
    }
    const since = this.#staleSinceMs.get(key) ?? clock.nowMs();
    const waitedMs = clock.nowMs() - since;
    if (waitedMs >= STALE_MS_MAX) {
      log.warn(
        { controller: name, key, waitedMs },
        "the cache never showed an own write: going on",
      );
      consistency.forget(key);
      this.#staleSinceMs.delete(key);
      return false;
    }
    this.#staleSinceMs.set(key, since);
    metrics.staleCache(name);
    // Half of what was waited already: soon at first, once a second later.
    const pollMs = Math.min(STALE_POLL_MS_MAX, Math.max(STALE_POLL_MS_MIN, waitedMs / 2));
    queue.addAfter(key, pollMs);
    return true;
  }

  /**
   * Comes back at the deadline or on abort at the latest, so that a worker is never lost. The key
   * itself stays locked until its reconcile has really ended: two at a time on one object would be
   * worse than one that hangs.
   */
  async #reconcile(key: string): Promise<void> {
    const { clock, metrics, name, reconcileTimeoutMs } = this.#options;
    const startedMs = clock.nowMs();
    const running = new AbortController();
    this.#running.add(running);
    if (this.#aborted !== undefined) running.abort(this.#aborted);
    const gaveUp = Promise.withResolvers<void>();
    const timer = clock.schedule(() => {
      metrics.reconcileTimedOut(name);
      running.abort(new Error(`reconcile of ${key} took longer than ${reconcileTimeoutMs} ms`));
    }, reconcileTimeoutMs);
    const { signal } = running;
    const onAbort = (): void => {
      timer.cancel();
      gaveUp.resolve();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    metrics.activeWorkers(name, (this.#active += 1));
    const settled = this.#settle(key, signal).then((result) => {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
      this.#running.delete(running);
      metrics.reconciled(name, result, clock.nowMs() - startedMs);
      this.#options.queue.done(key);
    });
    await Promise.race([settled, gaveUp.promise]);
    metrics.activeWorkers(name, (this.#active -= 1));
  }

  /** Runs the reconcile and tells the queue what comes next; never throws. */
  async #settle(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { queue, reconcile } = this.#options;
    try {
      const { requeueAfterMs } = await runForKey(key, () => reconcile(key, signal));
      queue.forget(key);
      if (requeueAfterMs === undefined) return "success";
      queue.addAfter(key, requeueAfterMs);
      return "requeue_after";
    } catch (err) {
      return this.#failed(key, err);
    }
  }

  #failed(key: string, err: unknown): ReconcileResult {
    const { queue, log, name } = this.#options;
    if (err instanceof LeaseLostError) {
      // Nothing is wrong with the key: whoever leads now will look at it.
      log.info({ controller: name, key }, "not the leader any more: left the key to the next one");
      return "requeue";
    }
    const askedMs = err instanceof ApiError ? (err.retryAfterMs ?? 0) : 0;
    const retryInMs = Math.round(queue.retry(key, askedMs));
    const fields = { err, controller: name, key, failures: queue.failures(key), retryInMs };
    log.error(fields, "reconcile failed: trying again");
    return "error";
  }
}
