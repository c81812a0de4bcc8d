/**
 * Opportunistic batching: a request that finds the executor idle runs at once; what arrives while
 * it's busy waits and runs together when it's free. Nothing ever waits for company.
 */
import { ServingError } from "../errors.ts";
import { batchKey, joinRows, rowsOf, splitRows } from "../protocol/rows.ts";
import type { Tensor } from "../protocol/tensor.ts";
import { plan, stuckAtMs } from "./plan.ts";
import type { Clock, RunOutcome, RunPort } from "./port.ts";

export type BatcherLimits = {
  readonly batchSizeMax: number;
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
};

export type WorkResult = {
  readonly outputs: readonly Tensor[];
  readonly queueMs: number;
  readonly runMs: number;
};

type Job = Work & {
  readonly key: string | undefined;
  readonly rows: number;
  readonly bytes: number;
  readonly enqueuedAtMs: number;
  readonly deadlineAtMs: number;
  /** Was in a batch that failed: runs alone, so that it can only fail itself. */
  alone: boolean;
  /** Settled, by a result, a deadline or the client's leaving; a run may still carry it. */
  over: boolean;
  /** In the queue, not in a run. */
  queued: boolean;
  resolve(result: WorkResult): void;
  reject(error: ServingError): void;
};

type Run = { readonly jobs: readonly Job[]; readonly startedAtMs: number; stuckAtMs: number };

export type Ticket = {
  readonly result: Promise<WorkResult>;
  /** The client left: the request leaves the queue. A run that has begun goes on. */
  cancel(): void;
};

export type BatcherOptions = {
  readonly port: RunPort;
  readonly batchable: boolean;
  readonly limits: BatcherLimits;
  readonly clock: Clock;
  readonly observer: BatcherObserver;
};

export class Batcher {
  readonly #options: BatcherOptions;
  #waiting: Job[] = [];
  #waitingBytes = 0;
  #run: Run | undefined;
  #longestRunMs = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
    options.port.onReady(() => this.#pump());
  }

  /** Requests in the queue, not those running. */
  get depth(): number {
    return this.#waiting.length;
  }

  /**
   * Queues a request. Its result rejects with ServingError: `overloaded`, `deadline`, `gone`,
   * `invalid` when the model refuses the input's values, or `failed`.
   */
  submit(work: Work): Ticket {
    const { limits, clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<WorkResult>();
    const now = clock.nowMs();
    const rows = this.#options.batchable ? rowsOf(work.inputs) : undefined;
    const job: Job = {
      ...work,
      key: rows === undefined ? undefined : batchKey(work.inputs, work.outputs),
      rows: rows ?? 1,
      bytes: work.inputs.reduce((sum, each) => sum + each.data.byteLength, 0),
      enqueuedAtMs: now,
      deadlineAtMs: now + limits.timeoutMs,
      alone: false,
      over: false,
      queued: true,
      resolve,
      reject,
    };
    if (this.#isFull(job)) {
      reject(new ServingError("overloaded", "too many requests are waiting, try again later"));
      return { result: promise, cancel: () => {} };
    }
    this.#waiting.push(job);
    this.#waitingBytes += job.bytes;
    this.#pump();
    this.#armTimer();
    return { result: promise, cancel: () => this.#cancel(job) };
  }

  #isFull(job: Job): boolean {
    const { limits, port } = this.#options;
    if (this.#waiting.length === 0 && this.#run === undefined && port.ready()) return false;
    const bytes = this.#waitingBytes + job.bytes;
    return this.#waiting.length >= limits.queueDepthMax || bytes > limits.queueBytesMax;
  }

  #cancel(job: Job): void {
    this.#end(job, (each) => each.reject(new ServingError("gone", "the client left")));
  }

  /** Settles a job once, and takes it out of the queue if it's still there. */
  #end(job: Job, settle: (job: Job) => void): void {
    if (job.over) return;
    job.over = true;
    if (job.queued) {
      this.#waiting.splice(this.#waiting.indexOf(job), 1);
      this.#waitingBytes -= job.bytes;
      this.#options.observer.waiting(this.#waiting.length);
    }
    settle(job);
  }

  #pump(): void {
    const { port, limits, clock, observer } = this.#options;
    if (this.#run === undefined && port.ready() && this.#waiting.length > 0) {
      const jobs = this.#take({ rowsMax: limits.batchSizeMax, requestsMax: limits.concurrencyMax });
      const startedAtMs = clock.nowMs();
      const deadlineAtMs = Math.max(...jobs.map((job) => job.deadlineAtMs));
      const times = { startedAtMs, deadlineAtMs, timeoutMs: limits.timeoutMs };
      const stuck = stuckAtMs({ ...times, longestRunMs: this.#longestRunMs });
      const run = { jobs, startedAtMs, stuckAtMs: stuck };
      this.#run = run;
      const inputs = joinRows(jobs.map((job) => job.inputs));
      void port.run(inputs, jobs[0]?.outputs ?? []).then((outcome) => this.#finish(run, outcome));
    }
    observer.waiting(this.#waiting.length);
  }

  #take(budget: { rowsMax: number; requestsMax: number }): Job[] {
    const candidates = this.#waiting.map((job) => (job.alone ? { key: undefined, rows: 1 } : job));
    const chosen = new Set(plan(candidates, budget));
    const jobs = this.#waiting.filter((_, index) => chosen.has(index));
    this.#waiting = this.#waiting.filter((_, index) => !chosen.has(index));
    for (const job of jobs) {
      job.queued = false;
      this.#waitingBytes -= job.bytes;
    }
    return jobs;
  }

  #finish(run: Run, outcome: RunOutcome): void {
    this.#run = undefined;
    const live = run.jobs.filter((job) => !job.over);
    if (outcome.kind === "done") {
      this.#deliver(run, outcome);
    } else if (run.jobs.length > 1) {
      this.#retryAlone(live);
    } else {
      for (const job of live) this.#end(job, (each) => each.reject(errorOf(outcome)));
    }
    this.#pump();
    this.#armTimer();
  }

  #deliver(run: Run, { outputs, ms }: Extract<RunOutcome, { kind: "done" }>): void {
    this.#longestRunMs = Math.max(this.#longestRunMs, ms);
    const { jobs } = run;
    const split =
      jobs.length === 1
        ? [outputs]
        : splitRows(
            outputs,
            jobs.map((job) => job.rows),
          );
    if (split === undefined) {
      this.#retryAlone(jobs.filter((job) => !job.over));
      return;
    }
    const queueMs = jobs.map((job) => run.startedAtMs - job.enqueuedAtMs);
    const rows = jobs.reduce((sum, job) => sum + job.rows, 0);
    this.#options.observer.ran({ requests: jobs.length, rows, runMs: ms, queueMs });
    for (const [index, job] of jobs.entries()) {
      const result = { outputs: split[index] ?? [], queueMs: queueMs[index] ?? 0, runMs: ms };
      this.#end(job, (each) => each.resolve(result));
    }
  }

  /** A poisoned request must fail alone: its neighbours go back to the head of the queue. */
  #retryAlone(jobs: readonly Job[]): void {
    for (const job of jobs) {
      job.alone = true;
      job.queued = true;
      this.#waitingBytes += job.bytes;
    }
    this.#waiting.unshift(...jobs);
  }

  /** One timer for all: at the earliest moment at which something may be due. */
  #armTimer(): void {
    if (this.#cancelTimer !== undefined) return;
    const due = this.#dueAtMs();
    if (due === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#options;
    this.#cancelTimer = clock.after(Math.max(0, due - clock.nowMs()), () => this.#expire());
  }

  #dueAtMs(): number {
    let due = this.#run?.stuckAtMs ?? Number.POSITIVE_INFINITY;
    for (const job of [...this.#waiting, ...(this.#run?.jobs ?? [])]) {
      if (!job.over && job.deadlineAtMs < due) due = job.deadlineAtMs;
    }
    return due;
  }

  #expire(): void {
    this.#cancelTimer = undefined;
    const now = this.#options.clock.nowMs();
    for (const job of [...this.#waiting, ...(this.#run?.jobs ?? [])]) {
      if (job.deadlineAtMs > now) continue;
      this.#end(job, (each) =>
        each.reject(new ServingError("deadline", "the inference did not finish in time")),
      );
    }
    if (this.#run !== undefined && this.#run.stuckAtMs <= now) {
      this.#run.stuckAtMs = Number.POSITIVE_INFINITY;
      this.#options.port.replace();
    }
    this.#armTimer();
  }
}

/** onnxruntime's words for inputs that this model can't compute; the rest is the model's fault. */
const inputFault = /out of (data )?bounds|dimension|shape|broadcast|rank|mismatch/i;

function errorOf(outcome: Exclude<RunOutcome, { kind: "done" }>): ServingError {
  if (outcome.kind === "died") {
    return new ServingError("failed", "the executor ended while it ran this request");
  }
  // Of the long message only the status: the rest names source files and graph nodes.
  const status = /Status Message: (.*)/s.exec(outcome.reason)?.[1] ?? outcome.reason;
  const reason = status
    .replaceAll(/\S*\/\S*/g, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 300);
  if (inputFault.test(reason)) {
    return new ServingError("invalid", `the model refuses this input: ${reason}`);
  }
  return new ServingError("failed", "the model failed on this input", { cause: outcome.reason });
}
