/** What the batcher needs of an executor; executor/ supplies it. */
import type { ServingError } from "../errors.ts";
import type { SentTensor, Tensor } from "../protocol/tensor.ts";

export type RunOutcome =
  | { readonly kind: "done"; readonly outputs: readonly Tensor[]; readonly ms: number }
  /** The model said no to this input. */
  | { readonly kind: "refused"; readonly reason: string }
  /** The process ended: killed by replace(), or crashed in native code. */
  | { readonly kind: "died" }
  /** Nothing ran: the model could not be brought into memory. The next request may be luckier. */
  | { readonly kind: "unavailable"; readonly error: ServingError };

export type RunPort = {
  /** Whether a run can start now. */
  ready(): boolean;
  /** Never rejects. One run at a time. */
  run(inputs: readonly SentTensor[], outputs: readonly string[]): Promise<RunOutcome>;
  /** Kills the process under the current run and begins to start another. */
  replace(): void;
  /** Called each time the port becomes ready. */
  onReady(listener: () => void): void;
};

export type Clock = {
  /** Monotonic. */
  nowMs(): number;
  /** Calls back once; returns what cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back on the event loop's next turn: what has come in meanwhile goes first. */
  soon(callback: () => void): void;
};

/** The machine's clock. Its timers keep no process alive. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
  soon: (callback) => void setImmediate(callback),
};
