/**
 * Opportunistic batching: a request that finds an executor idle runs at once; what arrives while
 * all are busy waits, and runs together when one is free. Nothing waits for company unless a
 * latency says so.
 */
import { ServingError } from "../errors.ts";
import { giveBack } from "../give-back.ts";
import type { SentTensor, Tensor } from "../protocol/tensor.ts";
import { RunCost } from "./cost.ts";
import { faultOf, lateFault } from "./fault.ts";
import { joinerFor } from "./joiner.ts";
import type { Joinable, Joiner } from "./joiner.ts";
import { abandonedStuckAtMs, choose, placeInQueue, stuckAtMs } from "./plan.ts";
import type { Clock, RunOutcome, RunPort } from "./port.ts";
import { Queue } from "./queue.ts";

export type BatcherLimits = {
  readonly batchSizeMax: number;
  /** How long a request may wait for company while an executor is idle; 0 for not at all. */
  readonly batchLatencyMs: number;
  /** Inferences let in at once; Infinity for no limit. */
  readonly concurrencyMax: number;
  readonly queueDepthMax: number;
  /** Bytes of the tensors that may wait. */
  readonly queueBytesMax: number;
  readonly timeoutMs: number;
};

export type FinishedRun = {
  readonly requests: number;
  readonly rows: number;
  readonly runMs: number;
  readonly queueMs: readonly number[];
};

/** What happened, for metrics. */
export type BatcherObserver = {
  readonly waiting: (requests: number) => void;
  readonly ran: (run: FinishedRun) => void;
};

export type Work = {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  /** 1 is the most urgent; 0 or nothing is the default. */
  readonly priority?: number;
  /** Shortens the server's own limit, queueing included; never lengthens it. */
  readonly timeoutMs?: number;
};

/** The run that computed a result, shared by all requests that were in it. */
export type RunFacts = {
  /** By the batcher's clock. */
  readonly startedAtMs: number;
  readonly ms: number;
  readonly requests: number;
  readonly rows: number;
};

export type WorkResult = {
  readonly outputs: readonly Tensor[];
  readonly queueMs: number;
  readonly run: RunFacts;
};

type Job = {
  readonly work: Work;
  /** Without one it runs alone; also once it was in a batch that failed. */
  key: string | undefined;
  readonly rows: number;
  readonly length: number;
  readonly bytes: number;
  place: number;
  readonly enqueuedAtMs: number;
  readonly deadlineAtMs: number;
  /** Settled, by a result, a deadline or the client's leaving; a run may still carry it. */
  over: boolean;
  queued: boolean;
  resolve(result: WorkResult): void;
  reject(error: ServingError): void;
};

type Run = {
  readonly jobs: readonly Job[];
  readonly startedAtMs: number;
  stuckAtMs: number;
  /** Nobody waits for it any more. */
  abandoned: boolean;
};
/** An executor, and what it runs now. */
type Slot = { readonly port: RunPort; run: Run | undefined };

export type Ticket = {
  readonly result: Promise<WorkResult>;
  /** The client left: the request leaves the queue. A run that has begun goes on for a while. */
  cancel(): void;
};

export type BatcherOptions = {
  /** One executor each, all of the same model. */
  readonly ports: readonly RunPort[];
  readonly model: Joinable;
  readonly limits: BatcherLimits;
  readonly clock: Clock;
  readonly observer: BatcherObserver;
};

/**
 * A run that takes so long leaves the CPU's caches to its weights, so that each of its answers takes
 * a millisecond; of a short run's, a loop's turn for each would be the larger part.
 */
const longRunMs = 10;

/** What was joined into one piece is a copy, ours alone; pieces are the requests' own. */
function giveBackCopies(joined: readonly SentTensor[]): void {
  for (const { data } of joined) if (data instanceof Uint8Array) giveBack(data);
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #slots: readonly Slot[];
  readonly #joiner: Joiner;
  readonly #cost = new RunCost();
  readonly #queue = new Queue<Job>();
  #longestRunMs = 0;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#joiner = joinerFor(options.model);
    this.#slots = options.ports.map((port) => ({ port, run: undefined }));
    for (const port of options.ports) port.onReady(() => this.#pump());
  }

  /** Requests in the queue, not those running. */
  get depth(): number {
    return this.#queue.requests.length;
  }

  /**
   * Queues a request. Its result rejects with ServingError: `overloaded`, `deadline`, `timed-out`,
   * `gone`, `invalid` when the model refuses the input's values, or `failed`.
   */
  submit(work: Work): Ticket {
    const { promise, resolve, reject } = Promise.withResolvers<WorkResult>();
    const job = this.#jobOf(work, resolve, reject);
    if (this.#isFull(job)) {
      reject(new ServingError("overloaded", "too many requests are waiting, try again later"));
      return { result: promise, cancel: () => {} };
    }
    this.#queue.add(job);
    this.#arm(job.deadlineAtMs);
    this.#pump();
    return { result: promise, cancel: () => this.#cancel(job) };
  }

  #jobOf(work: Work, resolve: Job["resolve"], reject: Job["reject"]): Job {
    const { limits, clock } = this.#options;
    const now = clock.nowMs();
    const { key, rows, length } = this.#joiner.sizeOf(work.inputs, work.outputs);
    return {
      work,
      key,
      rows,
      length,
      bytes: work.inputs.reduce((sum, each) => sum + each.data.byteLength, 0),
      place: placeInQueue(now, work.priority),
      enqueuedAtMs: now,
      deadlineAtMs: now + Math.min(work.timeoutMs ?? limits.timeoutMs, limits.timeoutMs),
      over: false,
      queued: false,
      resolve,
      reject,
    };
  }

  #isFull(job: Job): boolean {
    const { limits } = this.#options;
    const waiting = this.#queue.requests.length;
    if (waiting === 0 && this.#idleSlot() !== undefined) return false;
    const bytes = this.#queue.bytes + job.bytes;
    return waiting >= limits.queueDepthMax || bytes > limits.queueBytesMax;
  }

  #idleSlot(): Slot | undefined {
    return this.#slots.find(({ port, run }) => run === undefined && port.ready());
  }

  #cancel(job: Job): void {
    this.#end(job, (each) => each.reject(new ServingError("gone", "the client left")));
    this.#hasten();
  }

  /** A run that nobody waits for any more has no deadline to live for. */
  #hasten(): void {
    const { timeoutMs } = this.#options.limits;
    for (const { run } of this.#slots) {
      if (run === undefined || run.abandoned || !run.jobs.every((job) => job.over)) continue;
      run.abandoned = true;
      const { startedAtMs } = run;
      const stuck = abandonedStuckAtMs({
        startedAtMs,
        timeoutMs,
        longestRunMs: this.#longestRunMs,
      });
      if (stuck >= run.stuckAtMs) continue;
      run.stuckAtMs = stuck;
      this.#arm(stuck);
    }
  }

  /** Settles a job once, and takes it out of the queue if it's still there. */
  #end(job: Job, settle: (job: Job) => void): void {
    if (job.over) return;
    job.over = true;
    if (job.queued) {
      this.#queue.remove(job);
      this.#options.observer.waiting(this.#queue.requests.length);
    }
    settle(job);
  }

  /** Starts what can start. */
  #pump(): void {
    const { limits, clock, observer } = this.#options;
    for (;;) {
      const slot = this.#queue.requests.length > 0 ? this.#idleSlot() : undefined;
      if (slot === undefined) break;
      const room = limits.concurrencyMax - this.#requestsRunning();
      if (room <= 0) break;
      const { spareTokens, explores } = this.#cost;
      const requestsMax = explores ? 1 : room;
      const budget = { rowsMax: limits.batchSizeMax, requestsMax, spareTokens };
      const when = { nowMs: clock.nowMs(), latencyMs: limits.batchLatencyMs };
      const choice = choose(this.#queue.requests, budget, when);
      if ("run" in choice) this.#start(slot, this.#queue.take(choice.run));
      else {
        this.#arm(choice.againAtMs);
        break;
      }
    }
    observer.waiting(this.#queue.requests.length);
  }

  #requestsRunning(): number {
    return this.#slots.reduce((sum, { run }) => sum + (run?.jobs.length ?? 0), 0);
  }

  #start(slot: Slot, jobs: readonly Job[]): void {
    const { limits, clock } = this.#options;
    const startedAtMs = clock.nowMs();
    const deadlineAtMs = jobs.reduce((latest, job) => Math.max(latest, job.deadlineAtMs), 0);
    const times = { startedAtMs, deadlineAtMs, timeoutMs: limits.timeoutMs };
    const stuck = stuckAtMs({ ...times, longestRunMs: this.#longestRunMs });
    const run: Run = { jobs, startedAtMs, stuckAtMs: stuck, abandoned: false };
    slot.run = run;
    this.#arm(stuck);
    const inputs = this.#joiner.join(jobs.map((job) => job.work.inputs));
    void slot.port.run(inputs, jobs[0]?.work.outputs ?? []).then((outcome) => {
      // An executor that answered has read its inputs to their end.
      const isRead = outcome.kind === "done" || outcome.kind === "refused";
      if (isRead && jobs.length > 1) giveBackCopies(inputs);
      this.#finish(slot, run, outcome);
    });
  }

  #finish(slot: Slot, run: Run, outcome: RunOutcome): void {
    slot.run = undefined;
    if (outcome.kind === "done") this.#deliver(run, outcome);
    else if (run.jobs.length > 1 && outcome.kind !== "unavailable") this.#retryAlone(run.jobs);
    else for (const job of run.jobs) this.#end(job, (each) => each.reject(faultOf(outcome)));
    this.#pump();
  }

  #deliver(run: Run, { outputs, ms }: Extract<RunOutcome, { kind: "done" }>): void {
    this.#longestRunMs = Math.max(this.#longestRunMs, ms);
    const { jobs, startedAtMs } = run;
    const split = jobs.length === 1 ? [outputs] : this.#joiner.split(outputs, jobs);
    if (split === undefined) {
      this.#retryAlone(jobs);
      return;
    }
    const queueMs = jobs.map((job) => startedAtMs - job.enqueuedAtMs);
    const rows = jobs.reduce((sum, job) => sum + job.rows, 0);
    this.#learn(jobs, rows, ms);
    const facts = { requests: jobs.length, rows };
    this.#options.observer.ran({ ...facts, runMs: ms, queueMs });
    const shared: RunFacts = { ...facts, startedAtMs, ms };
    const settles = jobs.map((job, index) => (): void => {
      const own = { outputs: split[index] ?? [], queueMs: queueMs[index] ?? 0, run: shared };
      this.#end(job, (each) => each.resolve(own));
    });
    if (ms < longRunMs || jobs.length === 1) for (const settle of settles) settle();
    else this.#inTurns(settles);
  }

  #learn(jobs: readonly Job[], rows: number, ms: number): void {
    const length = jobs.reduce((longest, job) => Math.max(longest, job.length), 0);
    if (length === 0) return;
    const tokens = rows * length;
    const padding = tokens - jobs.reduce((sum, job) => sum + job.rows * job.length, 0);
    this.#cost.observe({ tokens, padding, requests: jobs.length, ms });
  }

  /**
   * One a turn, and none in this one, in which the next run starts: each answer takes a while, and
   * a probe that comes in waits for one of them.
   */
  #inTurns([settle, ...others]: readonly (() => void)[]): void {
    if (settle === undefined) return;
    this.#options.clock.soon(() => {
      settle();
      this.#inTurns(others);
    });
  }

  /** A poisoned request must fail alone: its neighbours go back to the head of the queue. */
  #retryAlone(jobs: readonly Job[]): void {
    for (const job of jobs) {
      if (job.over) continue;
      job.key = undefined;
      job.place = Number.NEGATIVE_INFINITY;
      this.#queue.add(job);
    }
  }

  /** One timer for all: at the earliest moment at which something may be due. */
  #arm(atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) return;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    const { clock } = this.#options;
    const wait = Math.max(0, atMs - clock.nowMs());
    this.#timer = { atMs, cancel: clock.after(wait, () => this.#expire()) };
  }

  #expire(): void {
    this.#timer = undefined;
    const { clock, limits } = this.#options;
    const now = clock.nowMs();
    const running = this.#slots.flatMap(({ run }) => run?.jobs ?? []);
    for (const job of [...this.#queue.requests, ...running]) {
      if (job.over) continue;
      if (job.deadlineAtMs > now) this.#arm(job.deadlineAtMs);
      else this.#end(job, (each) => each.reject(lateFault(job.work, limits)));
    }
    this.#hasten();
    for (const { port, run } of this.#slots) {
      if (run === undefined) continue;
      if (run.stuckAtMs > now) this.#arm(run.stuckAtMs);
      else {
        // Of a model that is not in memory yet there is nothing to replace: later there is.
        run.stuckAtMs = now + limits.timeoutMs;
        this.#arm(run.stuckAtMs);
        port.replace();
      }
    }
    this.#pump();
  }
}
