/** What the HTTP process and the thread that does the tasks say to each other. */
import type { ServingErrorCode } from "../../errors.ts";
import type { JsonObject } from "../../protocol/json.ts";
import type { Tensor } from "../../protocol/tensor.ts";
import type { LoadAnswer } from "../../threads/supervised.ts";
import type { TaskName } from "../names.ts";
import type { GraphName, Graphs, TaskRequest } from "../task.ts";

/** Given to the thread as it starts. */
export type TaskModel = {
  readonly task: TaskName;
  /** The file that the repository found; the others are found beside it. */
  readonly modelPath: string;
  readonly graphs: Graphs;
};

export type ToWorker =
  | ({ readonly type: "load" } & TaskModel)
  | {
      readonly type: "ask";
      readonly id: number;
      readonly requests: readonly TaskRequest[];
      readonly parameters: JsonObject;
      readonly stream: boolean;
      /** The outputs wanted as tensors; nothing for the answers as JSON. */
      readonly tensors: readonly string[] | undefined;
    }
  | { readonly type: "ran"; readonly call: number; readonly outputs: readonly Tensor[] }
  | { readonly type: "run-failed"; readonly call: number; readonly fault: Fault }
  | { readonly type: "cancel"; readonly id: number };

export type FromWorker =
  | LoadAnswer
  | {
      readonly type: "run";
      readonly id: number;
      readonly call: number;
      /** Which of the requests: each has a cache of its own. */
      readonly request: number;
      readonly graph: GraphName;
      readonly inputs: readonly Tensor[];
      readonly give: readonly string[] | undefined;
      readonly carry: Readonly<Record<string, string>>;
      readonly rows: readonly number[] | undefined;
    }
  | { readonly type: "piece"; readonly id: number; readonly text: string }
  | ({ readonly type: "answered"; readonly id: number } & Answered)
  | { readonly type: "failed"; readonly id: number; readonly fault: Fault };

/** Made in the thread as well: a million numbers as text take their time. */
export type Answered =
  | { readonly kind: "json"; readonly answers: readonly string[] }
  | { readonly kind: "tensors"; readonly tensors: readonly Tensor[] };

/** A ServingError without its class, which doesn't survive the way between threads. */
export type Fault = {
  readonly code: ServingErrorCode;
  readonly message: string;
  /** For the log: what a fault of ours was. */
  readonly cause?: string;
};
