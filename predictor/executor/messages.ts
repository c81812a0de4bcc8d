/** What the two halves say to each other; tensors travel beside the message. */
import type { Signature } from "../protocol/tensor.ts";

export type LoadOptions = {
  readonly path: string;
  /** Threads of one onnxruntime session. */
  readonly threads: number;
  /** Run the model once before it counts as loaded, and try whether it may be batched. */
  readonly warmUp: boolean;
};

export type LoadedModel = {
  readonly signature: Signature;
  /** Whether requests may be joined along dimension 0. */
  readonly batchable: boolean;
  readonly loadMs: number;
  /** What an operator should know: a warm-up that failed, outputs left out. */
  readonly notes: readonly string[];
};

export type Message =
  | ({ readonly type: "load" } & LoadOptions)
  | { readonly type: "loaded"; readonly model: LoadedModel }
  | { readonly type: "load-failed"; readonly reason: string }
  | { readonly type: "run"; readonly id: number; readonly outputs: readonly string[] }
  | { readonly type: "ran"; readonly id: number; readonly ms: number }
  | { readonly type: "run-failed"; readonly id: number; readonly reason: string };
