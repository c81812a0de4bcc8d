/** For tests of the batcher: an executor and a clock that obey the test. */
import assert from "node:assert/strict";
import { ServingError } from "../../errors.ts";
import { inOnePiece, viewOf } from "../../protocol/tensor.ts";
import type { SentTensor, Tensor } from "../../protocol/tensor.ts";
import { Batcher } from "../batcher.ts";
import type { BatcherLimits, Work } from "../batcher.ts";
import type { Joinable } from "../joiner.ts";
import type { Clock, RunOutcome, RunPort } from "../port.ts";

/** An executor whose runs end when the test says so. */
export class FakePort implements RunPort {
  readonly runs: { inputs: readonly Tensor[]; finish: (outcome: RunOutcome) => void }[] = [];
  replaced = 0;
  up = true;
  #listener: () => void = () => {};

  ready(): boolean {
    return this.up;
  }

  onReady(listener: () => void): void {
    this.#listener = listener;
  }

  async run(inputs: readonly SentTensor[]): Promise<RunOutcome> {
    const { promise, resolve } = Promise.withResolvers<RunOutcome>();
    this.runs.push({ inputs: inputs.map(inOnePiece), finish: resolve });
    return promise;
  }

  replace(): void {
    this.replaced++;
    this.up = false;
  }

  comeUp(): void {
    this.up = true;
    this.#listener();
  }

  /** The rows of each run so far. */
  get rows(): number[] {
    return this.runs.map(({ inputs }) => inputs[0]?.shape[0] ?? 0);
  }

  /** The first value of each run so far. */
  get firstValues(): number[] {
    return this.runs.map(({ inputs }) => Number(viewOf(inputs[0] ?? row(Number.NaN))[0]));
  }

  /** Ends the newest run: its outputs are its inputs. */
  async echo(ms = 5): Promise<void> {
    const run = this.runs.at(-1);
    run?.finish({ kind: "done", outputs: run.inputs.slice(0, 1), ms });
    await settled();
  }

  async end(outcome: RunOutcome): Promise<void> {
    this.runs.at(-1)?.finish(outcome);
    await settled();
  }
}

/** A clock that the test moves. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  nowMs(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((each) => each !== timer));
  }

  /** Turns of the loop that were asked for and haven't come: `turn` lets them. */
  readonly #soon: (() => void)[] = [];

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  async turn(): Promise<void> {
    for (const callback of this.#soon.splice(0)) callback();
    await settled();
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== due);
      this.#now = due.at;
      due.callback();
    }
    this.#now = end;
    await settled();
  }
}

/** All promises that can settle have settled. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

export const limits: BatcherLimits = {
  batchSizeMax: 8,
  batchLatencyMs: 0,
  concurrencyMax: Number.POSITIVE_INFINITY,
  queueDepthMax: 4,
  queueBytesMax: 1000,
  timeoutMs: 10_000,
};

type Change = Partial<BatcherLimits> & {
  batchable?: boolean;
  executors?: number;
  model?: Partial<Joinable>;
};

export function start(change: Change = {}) {
  const clock = new FakeClock();
  const { batchable = true, executors = 1, model, ...rest } = change;
  const ports = Array.from({ length: executors }, () => new FakePort());
  const port = ports[0] ?? assert.fail();
  const observer = { waiting: () => {}, ran: () => {} };
  const batcher = new Batcher({
    ports,
    clock,
    model: { signature: { inputs: [], outputs: [] }, batchable, ...model },
    observer,
    limits: { ...limits, ...rest },
  });
  return { port, ports, clock, batcher };
}

export function row(...values: number[]): Tensor {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { name: "x", datatype: "FP32", shape: [1, values.length], data };
}

export const ask = (batcher: Batcher, ...values: number[]) => askWith(batcher, {}, ...values);

export const askWith = (batcher: Batcher, wishes: Partial<Work>, ...values: number[]) => {
  const ticket = batcher.submit({ inputs: [row(...values)], outputs: ["x"], ...wishes });
  const outcome = ticket.result.then(
    ({ outputs }) => Array.from(viewOf(outputs[0] ?? row()), Number),
    (error: unknown) => (error instanceof ServingError ? error.code : error),
  );
  return { ...ticket, outcome };
};
