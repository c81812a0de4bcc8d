/** What the two halves say to each other; tensors travel beside the message. */
import type { Signature } from "../protocol/tensor.ts";

export type LoadOptions = {
  readonly path: string;
  /** Threads of one onnxruntime session. */
  readonly threads: number;
  /** Whether threads poll for a moment between the steps of a run before they sleep. */
  readonly spinning?: boolean;
  /** Run the model once before it counts as loaded, and try whether it may be batched. */
  readonly warmUp: boolean;
  /** What an earlier load of the same file found to work; "all" is tried first without it. */
  readonly optimization?: Optimization;
};

/** How far onnxruntime rewrites the graph. */
export type Optimization = "all" | "basic";

export type LoadedModel = {
  readonly signature: Signature;
  /** Whether requests may be joined along dimension 0. */
  readonly batchable: boolean;
  /** Whether token sequences of different lengths may be joined as well. */
  readonly padding?: boolean;
  readonly optimization?: Optimization;
  /** onnxruntime's name of the execution provider that it runs on. */
  readonly provider: string;
  readonly loadMs: number;
  /** What an operator should know: a warm-up that failed, outputs left out. */
  readonly notes: readonly string[];
};

/**
 * A process may hold several sessions; each has a number that the parent chose. Every answer
 * carries the id of its question.
 */
export type Message =
  | ({ readonly type: "load"; readonly id: number; readonly session: number } & LoadOptions)
  | { readonly type: "loaded"; readonly id: number; readonly model: LoadedModel }
  | { readonly type: "load-failed"; readonly id: number; readonly reason: string }
  | {
      readonly type: "run";
      readonly id: number;
      readonly session: number;
      readonly outputs: readonly string[];
    }
  | { readonly type: "ran"; readonly id: number; readonly ms: number }
  | { readonly type: "run-failed"; readonly id: number; readonly reason: string }
  | { readonly type: "unload"; readonly id: number; readonly session: number }
  | { readonly type: "measure"; readonly id: number }
  /** The answer to both: the memory of the process. */
  | { readonly type: "measured"; readonly id: number; readonly rssBytes: number };
