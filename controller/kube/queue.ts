/**
 * The work queue: keys, not events. A key waits at most once, is worked on by at most one worker,
 * and is not forgotten when it is added while being worked on. Failures of one key delay that key
 * alone.
 */
import assert from "node:assert";
import { backoffMs, type Backoff } from "./backoff.ts";
import { systemClock, type Clock, type Random, type Timer } from "./clock.ts";
import { noMetrics, type KubeMetrics } from "./hooks.ts";
import { TokenBucket } from "./token-bucket.ts";

export type Priority = "normal" | "low";

export interface QueueOptions {
  /** Label of the metrics. */
  readonly name: string;
  readonly backoff?: Backoff;
  /** Retries of all keys together: `burst` at once, then `perSecond`. */
  readonly retries?: { readonly perSecond: number; readonly burst: number };
  readonly clock?: Clock;
  readonly random?: Random;
  readonly metrics?: KubeMetrics;
}

interface Delayed {
  readonly atMs: number;
  readonly timer: Timer;
}

/**
 * Memory is bounded by the number of distinct keys, which is the number of objects in the cluster.
 */
export class WorkQueue {
  readonly name: string;
  readonly #backoff: Backoff;
  readonly #bucket: TokenBucket;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #metrics: KubeMetrics;
  /** Keys to be worked on, with the moment since when; in order of arrival. */
  readonly #waiting: Record<Priority, Map<string, number>> = { normal: new Map(), low: new Map() };
  /** Keys being worked on, with the moment of the start. */
  readonly #running = new Map<string, number>();
  /** Keys added while being worked on. */
  readonly #again = new Map<string, Priority>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed: { readonly drained: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(options: QueueOptions) {
    this.name = options.name;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#metrics = options.metrics ?? noMetrics;
    this.#backoff = options.backoff ?? { baseMs: 5, capMs: 1_000_000 };
    const { perSecond, burst } = options.retries ?? { perSecond: 10, burst: 100 };
    this.#bucket = new TokenBucket(perSecond, burst, this.#clock.nowMs());
  }

  get depth(): number {
    return this.#waiting.normal.size + this.#waiting.low.size;
  }

  /** Keys being worked on, and for how long. */
  runningMs(): readonly { readonly key: string; readonly ms: number }[] {
    const now = this.#clock.nowMs();
    return [...this.#running].map(([key, since]) => ({ key, ms: now - since }));
  }

  /**
   * Asks for `key` to be worked on. Low priority is for resyncs, which must not delay what a user
   * just did.
   */
  add(key: string, priority: Priority = "normal"): void {
    if (this.#closed !== undefined) return;
    // Whoever works on the key now decides anew when it wants to come back.
    this.#cancelDelay(key);
    if (this.#running.has(key)) {
      if (this.#again.get(key) !== "normal") this.#again.set(key, priority);
      return;
    }
    this.#enqueue(key, priority);
  }

  /** The same, later. The earlier of two delays counts; an `add` in between counts for both. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed !== undefined) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const atMs = this.#clock.nowMs() + delayMs;
    const existing = this.#delayed.get(key);
    if (existing !== undefined && existing.atMs <= atMs) return;
    existing?.timer.cancel();
    // Timers of Node hold 31 bits; a later moment is reached by way of a resync.
    const timer = this.#clock.schedule(() => this.add(key), Math.min(delayMs, 2 ** 31 - 1));
    this.#delayed.set(key, { atMs, timer });
  }

  /**
   * After a failure: exponential delay for this key, a global limit, and never before `atLeastMs`
   * (Retry-After).
   */
  retry(key: string, atLeastMs = 0): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const ownMs = backoffMs(this.#backoff, failures, this.#random);
    const delayMs = Math.max(ownMs, this.#bucket.reserveMs(this.#clock.nowMs()), atLeastMs);
    this.#metrics.queueRetried(this.name);
    this.addAfter(key, delayMs);
    return delayMs;
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** After a success: the next failure of this key is its first. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * The next key, which the caller must give back with `done`; undefined once the queue is shut
   * down.
   */
  take(): Promise<string | undefined> {
    if (this.#closed !== undefined) return Promise.resolve(undefined);
    const key = this.#next();
    if (key !== undefined) return Promise.resolve(key);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    const since = this.#running.get(key);
    assert(since !== undefined, `done("${key}") without a take`);
    this.#running.delete(key);
    this.#metrics.queueWorked(this.name, this.#clock.nowMs() - since);
    const again = this.#again.get(key);
    this.#again.delete(key);
    if (this.#closed !== undefined) {
      if (this.#running.size === 0) this.#closed.resolve();
    } else if (again !== undefined) {
      this.#enqueue(key, again);
    }
  }

  /**
   * Takes nothing in any more, drops what waits (whoever leads next lists the world anew), and
   * resolves when the keys being worked on are done.
   */
  shutdown(): Promise<void> {
    if (this.#closed === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closed = { drained: promise, resolve };
      for (const { timer } of this.#delayed.values()) timer.cancel();
      this.#delayed.clear();
      this.#waiting.normal.clear();
      this.#waiting.low.clear();
      this.#again.clear();
      this.#metrics.queueDepth(this.name, 0);
      for (const taker of this.#takers.splice(0)) taker(undefined);
      if (this.#running.size === 0) resolve();
    }
    return this.#closed.drained;
  }

  #enqueue(key: string, priority: Priority): void {
    if (this.#waiting.normal.has(key)) return;
    const since = this.#waiting.low.get(key);
    if (since !== undefined) {
      if (priority === "low") return;
      this.#waiting.low.delete(key);
    }
    this.#waiting[priority].set(key, since ?? this.#clock.nowMs());
    this.#metrics.queueAdded(this.name);
    this.#metrics.queueDepth(this.name, this.depth);
    const taker = this.#takers.shift();
    if (taker !== undefined) taker(this.#next());
  }

  #next(): string | undefined {
    for (const priority of ["normal", "low"] as const) {
      for (const [key, since] of this.#waiting[priority]) {
        this.#waiting[priority].delete(key);
        const now = this.#clock.nowMs();
        this.#running.set(key, now);
        this.#metrics.queueDepth(this.name, this.depth);
        this.#metrics.queueWaited(this.name, now - since);
        return key;
      }
    }
    return undefined;
  }

  #cancelDelay(key: string): void {
    this.#delayed.get(key)?.timer.cancel();
    this.#delayed.delete(key);
  }
}
