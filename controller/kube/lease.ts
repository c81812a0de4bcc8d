/**
 * Leader election on a Lease, by client-go's algorithm. No clock of another machine is ever
 * compared with ours: a holder is gone when its lease has not changed for as long as we watched it.
 * We stop being leader well before others may start, by our own monotonic clocks, however long this
 * process was paused (F12, F13, F38).
 */
import { sleep, type Clock, type Random, type Timer } from "./clock.ts";
import { isConflict, isNotFound } from "./errors.ts";
import type { KubeMetrics, Log } from "./hooks.ts";
import type { KubeHttp, KubeRequest } from "./http.ts";
import {
  LEASE_KIND,
  claimedLease,
  newLease,
  parseLease,
  releasedLease,
  type LeaseRecord,
} from "./lease-record.ts";
import { collectionPath, objectPath } from "./paths.ts";
import type { Fence } from "./write.ts";

export interface ElectorOptions {
  /** A client of its own: a stuck connection of the others must not cost the lease (F09). */
  readonly http: Pick<KubeHttp, "json">;
  readonly namespace: string;
  readonly name: string;
  /** Unique for each process that ever runs: the pod's name and something random. */
  readonly identity: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: KubeMetrics;
}

export interface Elector extends Fence {
  start(): void;
  isLeader(): boolean;
  /** Resolves when we lead for the first time; never when we never do. */
  readonly elected: Promise<void>;
  /**
   * Resolves when we led and do no more, other than by stop(). There is no second term: end the
   * process.
   */
  readonly lost: Promise<void>;
  /**
   * Ends the term and gives the lease back, so that the next leader may start at once (F34): call
   * it after the work has stopped, or with `giveBack: false`, which lets the lease run out.
   */
  stop(options?: { readonly giveBack: boolean }): Promise<void>;
}

const JITTER = 1.2;

/**
 * A moment on both monotonic clocks: the one that stands still in suspend, and the one that does
 * not.
 */
interface Moment {
  readonly nowMs: number;
  readonly bootMs: number;
}

interface Observed {
  readonly lease: LeaseRecord;
  /** When we saw this version first. */
  readonly atMs: number;
}

export function createElector(options: ElectorOptions): Elector {
  return new LeaseElector(options);
}

class LeaseElector implements Elector {
  readonly elected: Promise<void>;
  readonly lost: Promise<void>;
  readonly #options: ElectorOptions;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  readonly #stop = new AbortController();
  readonly #resolveElected: () => void;
  readonly #resolveLost: () => void;
  #observed: Observed | undefined;
  /** When the last successful claim was sent; undefined while we do not lead. */
  #renewed: Moment | undefined;
  #watchdog: Timer | undefined;
  #running: Promise<void> | undefined;
  #isLost = false;

  constructor(options: ElectorOptions) {
    this.#options = options;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryPeriodMs = options.retryPeriodMs ?? 2000;
    if (!(this.#leaseDurationMs > this.#renewDeadlineMs)) {
      throw new RangeError("leaseDurationMs must be greater than renewDeadlineMs");
    }
    if (!(this.#renewDeadlineMs > JITTER * this.#retryPeriodMs)) {
      throw new RangeError(`renewDeadlineMs must be greater than ${JITTER} × retryPeriodMs`);
    }
    const elected = Promise.withResolvers<void>();
    const lost = Promise.withResolvers<void>();
    this.elected = elected.promise;
    this.lost = lost.promise;
    this.#resolveElected = elected.resolve;
    this.#resolveLost = lost.resolve;
    options.metrics.leading(options.name, false);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  isLeader(): boolean {
    return this.mayWrite();
  }

  mayWrite(): boolean {
    return this.#elapsedMs() < this.#renewDeadlineMs;
  }

  remainingMs(): number {
    return Math.max(0, this.#leaseDurationMs - this.#elapsedMs());
  }

  async stop({ giveBack } = { giveBack: true }): Promise<void> {
    this.#stop.abort(new Error("leader election was stopped"));
    await this.#running;
    const held = giveBack && this.mayWrite() ? this.#observed?.lease : undefined;
    this.#abdicate();
    if (held === undefined) return;
    try {
      await this.#call({ method: "PUT", body: releasedLease(held, this.#options.clock.wallMs()) });
      this.#options.log.info({ lease: this.#options.name }, "gave the lease back");
    } catch (err) {
      this.#options.log.warn({ err, lease: this.#options.name }, "could not give the lease back");
    }
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const led = this.#renewed !== undefined;
      if (led && !this.mayWrite()) return this.#lose("it was not renewed in time");
      const held = await this.#attempt();
      if (this.#stop.signal.aborted) return;
      if (held && !led) this.#win();
      if (led && this.#renewed === undefined) return this.#lose("another holds it");
      const jitter = led || held ? 1 : 1 + this.#options.random() * JITTER;
      await this.#pause(this.#retryPeriodMs * jitter);
    }
  }

  async #pause(delayMs: number): Promise<void> {
    // A rejection means stop(): the loop's condition sees it.
    await sleep(this.#options.clock, delayMs, this.#stop.signal).catch(() => undefined);
  }

  /** One try to acquire or renew; never throws. */
  async #attempt(): Promise<boolean> {
    try {
      return await this.#acquireOrRenew();
    } catch (err) {
      const fields = { err, lease: this.#options.name };
      if (isConflict(err)) this.#options.log.debug(fields, "someone else wrote the lease first");
      else if (!this.#stop.signal.aborted) {
        this.#options.log.warn(fields, "the lease could not be acquired or renewed: trying again");
      }
      return false;
    }
  }

  async #acquireOrRenew(): Promise<boolean> {
    const known = this.#observed?.lease;
    if (known !== undefined && this.#renewed !== undefined) {
      try {
        return await this.#claim(known);
      } catch {
        // Someone touched it, or nobody answered: look before trying once more.
        this.#options.metrics.leaseSlowPath(this.#options.name);
      }
    }
    const lease = await this.#read();
    if (lease === undefined) return this.#create();
    if (lease.holder !== "" && lease.holder !== this.#options.identity) {
      if (this.#renewed !== undefined) {
        // Whoever took it from us may have written since: our term is over even if theirs is too.
        this.#renewed = undefined;
        return false;
      }
      if (this.#isAlive(lease)) return false;
    }
    return this.#claim(lease);
  }

  async #read(): Promise<LeaseRecord | undefined> {
    try {
      const lease = parseLease(await this.#call({ method: "GET", signal: this.#stop.signal }));
      if (this.#observed?.lease.resourceVersion !== lease.resourceVersion) this.#observe(lease);
      return lease;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /**
   * By our own clock since we saw the last change; suspended time does not count against the other.
   */
  #isAlive(lease: LeaseRecord): boolean {
    const { clock } = this.#options;
    const since = this.#observed?.atMs ?? clock.nowMs();
    return clock.nowMs() - since < lease.durationMs;
  }

  async #create(): Promise<boolean> {
    const { namespace, name } = this.#options;
    const sent = this.#moment();
    const body = newLease(namespace, name, this.#ours());
    const path = collectionPath(LEASE_KIND, namespace);
    this.#claimed(parseLease(await this.#call({ method: "POST", path, body })), sent);
    return true;
  }

  async #claim(lease: LeaseRecord): Promise<boolean> {
    const sent = this.#moment();
    const answer = await this.#call({ method: "PUT", body: claimedLease(lease, this.#ours()) });
    this.#claimed(parseLease(answer), sent);
    return true;
  }

  #ours(): { identity: string; durationMs: number; wallMs: number } {
    const { identity, clock } = this.#options;
    return { identity, durationMs: this.#leaseDurationMs, wallMs: clock.wallMs() };
  }

  /**
   * The term counts from when the claim was sent: others may count from when it arrived, which was
   * later.
   */
  #claimed(lease: LeaseRecord, sent: Moment): void {
    const { clock, metrics, name } = this.#options;
    this.#observe(lease);
    // An answer that comes after the loss was declared does not revive the term.
    if (this.#isLost) return;
    this.#renewed = sent;
    metrics.leaseRenewed(name, clock.nowMs() - sent.nowMs);
    this.#watchdog?.cancel();
    const leftMs = Math.max(0, this.#renewDeadlineMs - (clock.nowMs() - sent.nowMs));
    this.#watchdog = clock.schedule(() => this.#lose("it was not renewed in time"), leftMs);
  }

  #observe(lease: LeaseRecord): void {
    const { clock, log, identity } = this.#options;
    if (lease.holder !== this.#observed?.lease.holder && lease.holder !== identity) {
      log.info({ lease: this.#options.name, holder: lease.holder }, "the lease has a new holder");
    }
    this.#observed = { lease, atMs: clock.nowMs() };
  }

  #win(): void {
    const { log, metrics, name, identity } = this.#options;
    log.info({ lease: name, identity }, "became the leader");
    metrics.leading(name, true);
    this.#resolveElected();
  }

  #lose(why: string): void {
    const { log, name, identity } = this.#options;
    this.#isLost = true;
    this.#abdicate();
    this.#stop.abort(new Error("the lease was lost"));
    log.error({ lease: name, identity }, `lost the lease: ${why}`);
    this.#resolveLost();
  }

  #abdicate(): void {
    this.#watchdog?.cancel();
    this.#renewed = undefined;
    this.#options.metrics.leading(this.#options.name, false);
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { nowMs: clock.nowMs(), bootMs: clock.bootMs() };
  }

  #elapsedMs(): number {
    const { clock } = this.#options;
    if (this.#renewed === undefined) return Infinity;
    const awakeMs = clock.nowMs() - this.#renewed.nowMs;
    return Math.max(awakeMs, clock.bootMs() - this.#renewed.bootMs);
  }

  #call(request: Omit<KubeRequest, "path"> & { path?: string }): Promise<unknown> {
    const { http, namespace, name } = this.#options;
    return http.json({
      path: objectPath(LEASE_KIND, namespace, name),
      ...request,
      deadlineMs: Math.max(1000, this.#renewDeadlineMs / 2),
      retries: 0,
    });
  }
}
