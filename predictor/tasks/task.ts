/**
 * What a task is: requests in, answers out, and runs of the model's graphs between. It sees neither
 * HTTP nor the process that holds the graphs, and it waits for nothing but runs.
 */
import type { JsonObject } from "../protocol/json.ts";
import type { Bytes, Signature, Tensor } from "../protocol/tensor.ts";

/** One thing to answer: fields by name, such as question and context. */
export type TaskRequest = Readonly<Record<string, string | Bytes>>;

export type TaskContext = {
  /** Runs a graph with what its signature asks for; rejects when the request is over. */
  run(graph: GraphName, inputs: readonly Tensor[], options?: RunOptions): Promise<Outputs>;
  /** Hands out a piece of text before the answer is whole. */
  readonly emit: (text: string) => void;
};

export type RunOptions = {
  /** The outputs to hand out; without it, all. */
  readonly give?: readonly string[];
  /**
   * Outputs that are to be inputs of the request's next run, by the names that they have there. They
   * stay where they are: a cache of megabytes isn't passed around for every token.
   */
  readonly carry?: Readonly<Record<string, string>>;
  /** Which rows of what was carried here are this run's; without it, all as they are. */
  readonly rows?: readonly number[];
};

export type Outputs = ReadonlyMap<string, Tensor>;

/** The files of a model's folder that are graphs, by their role. */
export type GraphName = "model" | "encoder" | "decoder" | "decoder-with-past";
export type Graphs = Partial<Readonly<Record<GraphName, Signature>>>;

export type Task = {
  /** The answer to one request, as JSON value. Throws ServingError `invalid`. */
  answer(request: TaskRequest, parameters: JsonObject, context: TaskContext): Promise<unknown>;
};

/** What the files beside the graphs say; each is JSON or absent. */
export type TaskFolder = {
  readonly config: JsonObject;
  /** tokenizer.json as text: the tokenizer parses it itself. */
  readonly tokenizer: string | undefined;
  readonly tokenizerConfig: JsonObject;
  readonly preprocessor: JsonObject;
  readonly generation: JsonObject;
  readonly graphs: Graphs;
};
