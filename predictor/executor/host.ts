/**
 * The parent's side of a process that holds several sessions. It does one thing at a time; who
 * waits does so here, so that a kill under one model's run costs the others a reload, not a request.
 */
import type { Clock } from "../batch/port.ts";
import type { SentTensor } from "../protocol/tensor.ts";
import type { LoadedModel, LoadOptions } from "./messages.ts";
import { ExecutorDied, ExecutorProcess } from "./process.ts";
import type { ChildEntry, RunResult } from "./process.ts";

/** A measure older than this is taken anew after a run: activations stay in the process' heap. */
const measureAfterMs = 1000;

export class Host {
  readonly #process: ExecutorProcess;
  readonly #clock: Clock;
  #tail: Promise<unknown> = Promise.resolve();
  #nextSession = 1;
  #measuredAtMs = 0;
  #alive = true;
  #turns = 0;
  /** Memory of the process when it held nothing yet, in bytes; 0 until it was measured. */
  baseBytes = 0;
  /** Memory of the process as last measured, in bytes. */
  rssBytes = 0;
  readonly exited: Promise<ExecutorDied>;

  constructor(entry: ChildEntry, clock: Clock) {
    this.#process = new ExecutorProcess(entry);
    this.#clock = clock;
    this.exited = this.#process.exited.then((death) => {
      this.#alive = false;
      return death;
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Something runs or waits to run: what is asked now would wait. */
  get busy(): boolean {
    return this.#turns > 0;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Measures the empty process, once. Rejects with ExecutorDied. */
  async start(): Promise<void> {
    await this.#exclusive(async () => {
      if (this.baseBytes > 0) return;
      this.baseBytes = await this.#process.measure();
      this.#measured(this.baseBytes);
    });
  }

  /**
   * Loads a model as a session of its own. A load that takes longer than `limitMs` ends the process.
   * Rejects with ExecutorRefused or ExecutorDied.
   */
  async load(
    options: LoadOptions,
    limitMs: number,
  ): Promise<{ session: number; loaded: LoadedModel; bytes: number }> {
    return this.#exclusive(async () => {
      const session = this.#nextSession++;
      const before = await this.#process.measure();
      const loaded = await this.#within(limitMs, this.#process.load(options, session));
      this.#measured(await this.#process.measure());
      return { session, loaded, bytes: Math.max(0, this.rssBytes - before) };
    });
  }

  /**
   * Runs a session when its turn comes; `started` is told. Resolves with undefined when the process
   * ended before that: nothing was tried. Rejects with ExecutorRefused, or with ExecutorDied when
   * it ended under the run.
   */
  async run(
    session: number,
    work: { readonly inputs: readonly SentTensor[]; readonly outputs: readonly string[] },
    started: () => void,
  ): Promise<RunResult | undefined> {
    return this.#exclusive(async () => {
      if (!this.#alive) return undefined;
      started();
      const result = await this.#process.run(work.inputs, work.outputs, session);
      if (this.#clock.nowMs() - this.#measuredAtMs > measureAfterMs) {
        // Whoever is next waits for this anyway; the answer needn't.
        void this.#process.measure().then((bytes) => this.#measured(bytes), ignore);
      }
      return result;
    });
  }

  /** Frees a session. A process that has ended has freed it. */
  async unload(session: number): Promise<void> {
    await this.#exclusive(async () => this.#measured(await this.#process.unload(session))).catch(
      (error: unknown) => {
        if (!(error instanceof ExecutorDied)) throw error;
      },
    );
  }

  /** Ends the process, even in the middle of a run. */
  kill(): void {
    this.#alive = false;
    this.#process.kill();
  }

  #measured(bytes: number): void {
    this.rssBytes = bytes;
    this.#measuredAtMs = this.#clock.nowMs();
  }

  async #exclusive<T>(task: () => Promise<T>): Promise<T> {
    this.#turns++;
    const turn = this.#tail.then(task).finally(() => this.#turns--);
    this.#tail = turn.catch(ignore);
    return turn;
  }

  async #within<T>(limitMs: number, task: Promise<T>): Promise<T> {
    let late = false;
    const cancel = this.#clock.after(limitMs, () => {
      late = true;
      this.kill();
    });
    try {
      return await task;
    } catch (error) {
      if (late) throw new ExecutorDied(`loading took longer than ${limitMs} ms`, { cause: error });
      throw error;
    } finally {
      cancel();
    }
  }
}

function ignore(): void {
  // Who waits for the process' end is told by `exited`.
}
