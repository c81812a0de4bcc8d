/**
 * How each task looks from outside: the fields of its requests, and its answers as tensors. Texts
 * and pictures are BYTES with one element per request, so that any client of the protocol can ask.
 */
import { packFloats, packLongs } from "./tensors.ts";
import { isObject } from "../protocol/json.ts";
import type { JsonObject } from "../protocol/json.ts";
import { packStrings } from "../protocol/tensor.ts";
import type { Signature, Tensor, TensorSpec } from "../protocol/tensor.ts";
import { invalid } from "../errors.ts";
import type { TaskName } from "./names.ts";

export type TaskShape = {
  readonly fields: readonly string[];
  /** Fields that a request may leave out; the protocols' tensors have none of these. */
  readonly optional: readonly string[];
  /** The field that a request is when it's no object. */
  readonly only?: string;
  /** Columns taken from the (best) answer. */
  readonly columns: readonly Column[];
  /** What Python's pipeline puts around an answer: for one request, for each of several. */
  readonly wraps: { readonly single: boolean; readonly each: boolean };
};

export type Column = { readonly name: string; readonly datatype: "BYTES" | "FP32" | "INT64" };

const bytes = (name: string): Column => ({ name, datatype: "BYTES" });
const score: Column = { name: "score", datatype: "FP32" };
/** The whole answer as JSON text: what v1 gives, for clients that only speak tensors. */
const output = bytes("output");
const bare = { single: false, each: false };

const ofText = { fields: ["text"], optional: [], only: "text", wraps: bare };
const textToText = (name: string): TaskShape => ({
  ...ofText,
  columns: [bytes(name), output],
  wraps: { single: true, each: false },
});

export const taskShapes: Readonly<Record<TaskName, TaskShape>> = {
  "question-answering": {
    fields: ["question", "context"],
    optional: [],
    columns: [
      bytes("answer"),
      score,
      { name: "start", datatype: "INT64" },
      { name: "end", datatype: "INT64" },
      output,
    ],
    wraps: bare,
  },
  "text-classification": {
    ...ofText,
    optional: ["text_pair"],
    columns: [bytes("label"), score, output],
    wraps: { single: true, each: false },
  },
  "token-classification": { ...ofText, columns: [output] },
  "feature-extraction": { ...ofText, columns: [{ name: "embedding", datatype: "FP32" }] },
  "fill-mask": {
    ...ofText,
    columns: [bytes("sequence"), bytes("token_str"), score, output],
  },
  "image-classification": {
    fields: ["image"],
    optional: [],
    only: "image",
    columns: [bytes("label"), score, output],
    wraps: bare,
  },
  "text-generation": {
    ...ofText,
    columns: [bytes("generated_text"), output],
    wraps: { single: true, each: true },
  },
  "text2text-generation": textToText("generated_text"),
  summarization: textToText("summary_text"),
  translation: textToText("translation_text"),
};

/** The task as the protocols' metadata shows it. */
export function signatureOf(task: TaskName): Signature {
  const { fields, columns } = taskShapes[task];
  const spec = (name: string, datatype: Column["datatype"]): TensorSpec => ({
    name,
    datatype,
    shape: task === "feature-extraction" && datatype === "FP32" ? [-1, -1] : [-1],
    dimensionNames: [],
  });
  return {
    inputs: fields.map((name) => ({
      ...spec(name, "BYTES"),
      elements: name === "image" ? "picture" : "text",
    })),
    outputs: columns.map(({ name, datatype }) => spec(name, datatype)),
  };
}

/**
 * Whether inputs of these names are a task's; else they are meant for the graph, whose own names are
 * `rawNames`. One name of the task's says so, or none of the graph's.
 */
export function meansTask(
  names: readonly string[],
  { inputs }: Signature,
  rawNames: ReadonlySet<string>,
): boolean {
  if (inputs.some(({ name }) => names.includes(name))) return true;
  return !names.some((name) => rawNames.has(name));
}

/** Answers as the tensors that were asked for. Throws ServingError `invalid` where rows differ. */
export function encodeAnswers(
  task: TaskName,
  answers: readonly unknown[],
  names: readonly string[],
): Tensor[] {
  const columns = taskShapes[task].columns.filter(({ name }) => names.includes(name));
  return columns.map((column) => {
    if (column.name === "embedding") return encodeEmbeddings(answers);
    const values = answers.map((answer) =>
      column.name === "output" ? JSON.stringify(answer) : bestOf(answer)[column.name],
    );
    return encodeColumn(column, values);
  });
}

/** The first of several answers; of several masks, the first one's. */
function bestOf(answer: unknown): JsonObject {
  let best = answer;
  while (Array.isArray(best)) [best] = best as unknown[];
  return isObject(best) ? best : {};
}

function encodeColumn({ name, datatype }: Column, values: readonly unknown[]): Tensor {
  const shape = [values.length];
  if (datatype === "FP32") return { name, datatype, shape, data: packFloats(values.map(Number)) };
  if (datatype === "INT64") return { name, datatype, shape, data: packLongs(values.map(Number)) };
  const texts = values.map((value) => (typeof value === "string" ? value : ""));
  return { name, datatype, shape, data: packStrings(texts) };
}

/** Pooled: a row per request. Not pooled: requests of one length, a row per token of each. */
function encodeEmbeddings(answers: readonly unknown[]): Tensor {
  const shape = [answers.length];
  for (let level = answers[0]; Array.isArray(level); [level] = level as unknown[]) {
    shape.push(level.length);
  }
  const values = (answers as number[][]).flat(shape.length) as number[];
  if (values.length !== shape.reduce((product, each) => product * each, 1)) {
    throw invalid('the texts have different lengths: set the parameter "pooling", or ask for each');
  }
  return { name: "embedding", datatype: "FP32", shape, data: packFloats(values) };
}
