/**
 * What is done with whole bodies and whole answers: decoding and encoding, whose time grows with
 * their size. Data in, data out, so that it can be done by this process or by a thread of it.
 */
import { decodeTaskBody } from "../tasks/bodies.ts";
import type { TaskBody } from "../tasks/bodies.ts";
import type { TaskName } from "../tasks/names.ts";
import { meansTask, taskShapes } from "../tasks/signatures.ts";
import { decodeEvent, isStructured, protocolOf } from "../protocol/cloudevents.ts";
import type { CloudEvent } from "../protocol/cloudevents.ts";
import { decodeGenerate } from "../protocol/generate.ts";
import type { GenerateRequest } from "../protocol/generate.ts";
import { decodeInferMessage, looseBytes } from "../protocol/grpc-infer.ts";
import { decodeAnswerJson, encodeRequestJson } from "../protocol/grpc-json.ts";
import { decodeInfer, encodeInfer } from "../protocol/infer.ts";
import type { InferAnswer, InferRequest, SignatureChoice } from "../protocol/infer.ts";
import { checkFlat } from "../protocol/parameters.ts";
import { decodePredict, encodePredict } from "../protocol/predict.ts";
import type { PredictRequest } from "../protocol/predict.ts";
import type { Message } from "../protocol/protobuf.ts";
import type { Bytes, Signature, Tensor } from "../protocol/tensor.ts";

/** A model's two ways in: its graph's tensors, and its task's texts or pictures. */
export type Signatures = { readonly graph: Signature; readonly task?: Signature | undefined };

type EventHeaders = Parameters<typeof decodeEvent>[0];

/** What each kind of work is given. */
export type Given = {
  infer: {
    readonly body: Bytes;
    /** Where the JSON ends in a body with binary tensors. */
    readonly headerLength: number | undefined;
    readonly signatures: Signatures;
  };
  /** A ModelInferRequest of gRPC. */
  message: { readonly body: Bytes; readonly signatures: Signatures };
  /** One to be written as JSON. */
  "message-json": { readonly body: Bytes };
  predict: { readonly body: Bytes; readonly signature: Signature };
  task: { readonly body: Bytes; readonly task: TaskName; readonly rawNames: ReadonlySet<string> };
  generate: { readonly body: Bytes };
  event: { readonly body: Bytes; readonly headers: EventHeaders };
  protocol: { readonly body: Bytes };
  "infer-answer": {
    readonly answer: InferAnswer;
    readonly binary: ReadonlySet<string> | undefined;
  };
  /** JSON to be written as ModelInferResponse. */
  "json-message": { readonly body: Bytes };
  "predict-answer": { readonly outputs: readonly Tensor[]; readonly rows: number | undefined };
};

/** What comes out of it. */
export type Made = {
  infer: InferRequest;
  message: InferRequest;
  "message-json": string | Bytes;
  predict: PredictRequest;
  /** Nothing when the body means the graph's own tensors. */
  task: TaskBody | undefined;
  generate: GenerateRequest;
  event: CloudEvent;
  protocol: "v1" | "v2";
  /** Text, or the bytes of text. */
  "infer-answer": string | Bytes;
  "json-message": Message;
  "predict-answer": string | Bytes;
};

export type Kind = keyof Given;

/** Whether inputs of these names are the task's; else they are meant for the graph. */
export function isForTask({ graph, task }: Signatures, names: readonly string[]): boolean {
  return task !== undefined && meansTask(names, task, new Set(graph.inputs.map((it) => it.name)));
}

/** Which signature inputs of some names mean. */
function choiceOf(signatures: Signatures): SignatureChoice {
  const { graph, task = graph } = signatures;
  return (names) => (isForTask(signatures, names) ? task : graph);
}

const works: { readonly [K in Kind]: (given: Given[K]) => Made[K] } = {
  infer: ({ body, headerLength, signatures }) =>
    decodeInfer(body, choiceOf(signatures), headerLength),
  message: ({ body, signatures }) => decodeInferMessage(body, choiceOf(signatures)),
  "message-json": ({ body }) => encodeRequestJson(body),
  predict: ({ body, signature }) => decodePredict(body, signature),
  task: ({ body, task, rawNames }) => {
    const decoded = decodeTaskBody(body, taskShapes[task], rawNames);
    if (decoded !== undefined) checkFlat(decoded.parameters);
    return decoded;
  },
  generate: ({ body }) => decodeGenerate(body),
  event: ({ body, headers }) => decodeEvent(headers, body),
  protocol: ({ body }) => protocolOf(body),
  "infer-answer": ({ answer, binary }) => encodeInfer(answer, binary),
  "json-message": ({ body }) => decodeAnswerJson(body),
  "predict-answer": ({ outputs, rows }) => encodePredict(outputs, rows),
};

/** Does it, here and now. Throws ServingError. */
export function doWork<K extends Kind>(kind: K, given: Given[K]): Made[K] {
  return works[kind](given);
}

/** What takes some ten milliseconds to decode or to encode, and no more. */
const largeBytes = 512 * 1024;

/** How many bytes have to be looked at one by one, where that takes long; 0 where it doesn't. */
export function heaviness<K extends Kind>(kind: K, given: Given[K]): number {
  const bytes = weights[kind](given);
  return bytes > largeBytes ? bytes : 0;
}

const ofBody = ({ body }: { readonly body: Bytes }): number => body.byteLength;

const weights: { readonly [K in Kind]: (given: Given[K]) => number } = {
  infer: ({ body, headerLength = body.byteLength, signatures }) => {
    if (headerLength === body.byteLength || body.byteLength <= largeBytes) return headerLength;
    return areChecked(signatures) ? body.byteLength : headerLength;
  },
  message: ({ body, signatures }) => {
    if (body.byteLength <= largeBytes) return 0;
    return areChecked(signatures) ? body.byteLength : looseBytes(body);
  },
  "message-json": ofBody,
  predict: ofBody,
  task: ofBody,
  generate: ofBody,
  event: (given) => (isStructured(given.headers) ? ofBody(given) : 0),
  protocol: ofBody,
  "infer-answer": ({ answer, binary }) => bytesOf(answer.outputs, binary),
  "json-message": ofBody,
  "predict-answer": ({ outputs }) => bytesOf(outputs),
};

/** Whether raw bytes are looked at: those of numbers are taken as they are. */
function areChecked({ graph, task }: Signatures): boolean {
  return [...graph.inputs, ...(task?.inputs ?? [])].some(
    ({ datatype }) => datatype === "BYTES" || datatype === "BOOL",
  );
}

/** Of what is written as text. */
function bytesOf(tensors: readonly Tensor[], binary?: ReadonlySet<string>): number {
  let bytes = 0;
  for (const { name, data } of tensors) if (binary?.has(name) !== true) bytes += data.byteLength;
  return bytes;
}

type WithBytes = {
  readonly body?: Bytes;
  readonly data?: Bytes;
  readonly inputs?: readonly Tensor[];
  readonly outputs?: readonly (Tensor | string)[];
  readonly answer?: InferAnswer;
};

/** What can change hands instead of being copied: the memory under what was given or made. */
export function buffersOf(value: Given[Kind] | Made[Kind]): ArrayBuffer[] {
  if (value instanceof Uint8Array) return [value.buffer];
  if (typeof value !== "object") return [];
  const { body, data, inputs = [], outputs = [], answer } = value as WithBytes;
  const tensors = [...inputs, ...outputs, ...(answer?.outputs ?? [])].flatMap((each) =>
    typeof each === "string" ? [] : each.data,
  );
  const all = [body, data, ...tensors].flatMap((each) => each?.buffer ?? []);
  return [...new Set(all)];
}

/** The same, in memory of its own. */
export function copied<G extends Given[Kind]>(given: G): G {
  const own = (tensors: readonly Tensor[]): Tensor[] =>
    tensors.map((tensor) => ({ ...tensor, data: new Uint8Array(tensor.data) }));
  const { body, outputs, answer } = given as {
    readonly body?: Bytes;
    readonly outputs?: readonly Tensor[];
    readonly answer?: InferAnswer;
  };
  return {
    ...given,
    ...(body && { body: new Uint8Array(body) }),
    ...(outputs && { outputs: own(outputs) }),
    ...(answer && { answer: { ...answer, outputs: own(answer.outputs) } }),
  };
}
