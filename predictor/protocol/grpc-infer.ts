/** ModelInfer: messages to requests that fit the model, and answers to messages. */
import { invalid } from "../errors.ts";
import { checkBinary } from "./binary.ts";
import { datatypes } from "./datatypes.ts";
import type { Datatype } from "./datatypes.ts";
import { checkDatatype, checkShape, decodeShape, unknownName } from "./infer.ts";
import type { InferAnswer, InferRequest, SignatureChoice } from "./infer.ts";
import { quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { contents as contentsType, inferSizes, methods } from "./grpc-messages.ts";
import { decodeMessage, Reader, wire } from "./protobuf.ts";
import type { Message } from "./protobuf.ts";
import type { Bytes, Signature, Tensor, TensorSpec } from "./tensor.ts";
import { decodeVarints } from "./varints.ts";

/** Which field of InferTensorContents holds elements of a datatype; FP16 and BF16 have none. */
const contentsFields: Readonly<Partial<Record<Datatype, keyof typeof contentsType>>> = {
  BOOL: "bool_contents",
  INT8: "int_contents",
  INT16: "int_contents",
  INT32: "int_contents",
  INT64: "int64_contents",
  UINT8: "uint_contents",
  UINT16: "uint_contents",
  UINT32: "uint_contents",
  UINT64: "uint64_contents",
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  BYTES: "bytes_contents",
};

/** A repeated field of messages; empty when it isn't there. */
export const listOf = (message: Message, name: string): readonly Message[] =>
  (message[name] ?? []) as readonly Message[];
/** A string field; empty when it isn't there. */
export const textOf = (message: Message, name: string): string => (message[name] ?? "") as string;

/** The whole of a ModelInferRequest. Throws ServingError `invalid`. */
export const wholeOf = (bytes: Bytes): Message => decodeMessage(methods.ModelInfer.request, bytes);

/**
 * A ModelInferRequest as request. Which signature it is for may depend on the names of the inputs.
 * Throws ServingError `invalid` with the reason.
 */
export function decodeInferMessage(bytes: Bytes, signatureFor: SignatureChoice): InferRequest {
  const message = wholeOf(bytes);
  const inputs = listOf(message, "inputs");
  const signature = signatureFor(inputs.map((input) => textOf(input, "name")));
  const raw = rawOf(message);
  const specs = new Map(signature.inputs.map((spec) => [spec.name, spec]));
  const tensors = new Map<string, Tensor>();
  for (const [index, input] of inputs.entries()) {
    const name = textOf(input, "name");
    const spec = specs.get(name);
    if (spec === undefined) throw unknownName("input", name, specs.keys());
    if (tensors.has(name)) throw invalid(`input ${quote(name)} is given twice`);
    tensors.set(name, decodeInput(input, spec, raw[index]));
  }
  const parameters = decodeParameters(message);
  const id = textOf(message, "id");
  return {
    inputs: signature.inputs.map((spec) => {
      const tensor = tensors.get(spec.name);
      if (tensor === undefined) throw invalid(`input ${quote(spec.name)} is missing`);
      return tensor;
    }),
    outputs: decodeOutputs(message, signature),
    ...(id === "" ? {} : { id }),
    ...(parameters === undefined ? {} : { parameters }),
  };
}

/**
 * How many bytes of typed contents have to be looked at one by one: all but floats that are packed,
 * which are taken as they are.
 */
export function looseBytes(bytes: Bytes): number {
  const inputs = listOf(decodeMessage(inferSizes, bytes), "inputs");
  return inputs.reduce((sum, { contents = new Uint8Array() }) => sum + loose(contents as Bytes), 0);
}

/** More parts than that are as good as elements. */
const packedPartsMax = 16;

function loose(contents: Bytes): number {
  const { fp32_contents: floats, fp64_contents: doubles } = contentsType;
  const reader = new Reader(contents);
  for (let part = 0; part < packedPartsMax && !reader.done; part++) {
    const tag = Number(reader.varint());
    const field = tag >>> 3;
    if ((field !== floats.id && field !== doubles.id) || (tag & 7) !== wire.bytes) {
      return contents.byteLength;
    }
    reader.bytes();
  }
  return reader.done ? 0 : contents.byteLength;
}

/** The inputs' raw bytes: for each input or for none. Throws ServingError `invalid`. */
export function rawOf(message: Message): readonly Bytes[] {
  const inputs = listOf(message, "inputs");
  const raw = (message["raw_input_contents"] ?? []) as readonly Bytes[];
  if (raw.length === 0 || raw.length === inputs.length) return raw;
  throw invalid(
    `raw_input_contents has ${raw.length} elements for ${inputs.length} inputs: ` +
      "it holds all of them or none",
  );
}

function decodeInput(input: Message, spec: TensorSpec, raw: Bytes | undefined): Tensor {
  checkDatatype(textOf(input, "datatype"), spec);
  checkShape(shapeOf(input, `input ${quote(spec.name)}`), spec);
  return decodeTensor(input, spec, raw);
}

function shapeOf(input: Message, where: string): number[] {
  return decodeShape(((input["shape"] ?? []) as readonly bigint[]).map(Number), where);
}

/** An input by its own shape. Throws ServingError `invalid`. */
export function decodeTensor(
  input: Message,
  { name, datatype, elements }: Pick<TensorSpec, "name" | "datatype" | "elements">,
  raw: Bytes | undefined,
): Tensor {
  const where = `input ${quote(name)}`;
  const shape = shapeOf(input, where);
  const contents = (input["contents"] ?? {}) as Message;
  const target = { name, datatype, shape };
  const taken = elements === undefined ? target : { ...target, elements };
  if (raw !== undefined) {
    if (Object.keys(contents).length > 0) {
      throw invalid(`${where}: has contents, but raw_input_contents is given`);
    }
    checkBinary(taken, raw, where);
    return { ...target, data: raw };
  }
  return { ...target, data: decodeContents(contents, taken, where) };
}

type Target = Omit<Tensor, "data"> & Pick<TensorSpec, "elements">;

function decodeContents(contents: Message, target: Target, where: string): Bytes {
  const { datatype } = target;
  const field = contentsFields[datatype];
  if (field === undefined) {
    throw invalid(`${where}: contents has no field for ${datatype}, send raw_input_contents`);
  }
  const other = Object.keys(contents).find((name) => name !== field);
  if (other !== undefined) {
    throw invalid(`${where}: contents has ${other}, ${datatype} elements are in ${field}`);
  }
  const { kind } = datatypes[datatype];
  const data = (contents[field] ?? new Uint8Array()) as Bytes;
  if (kind !== "float" && kind !== "string") return decodeVarints(target, data);
  checkBinary(target, data, where);
  return data;
}

function decodeOutputs(message: Message, signature: Signature): readonly string[] {
  const known = signature.outputs.map((spec) => spec.name);
  const names = listOf(message, "outputs").map((output) => textOf(output, "name"));
  for (const [index, name] of names.entries()) {
    if (!known.includes(name)) throw unknownName("output", name, known);
    if (names.indexOf(name) !== index) throw invalid(`output ${quote(name)} is asked for twice`);
  }
  return names.length === 0 ? known : names;
}

/** A map of InferParameter as the JSON object that the REST protocol has; nothing when empty. */
export function decodeParameters(message: Message): JsonObject | undefined {
  const entries = listOf(message, "parameters").map((entry): [string, unknown] => {
    const [value] = Object.values((entry["value"] ?? {}) as Message);
    const exact = typeof value === "bigint" ? Number(value) : value;
    return [textOf(entry, "key"), exact];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** An answer as ModelInferResponse, its tensors raw: they are their bytes already. */
export function encodeInferMessage(answer: InferAnswer): Message {
  return {
    model_name: answer.modelName,
    model_version: answer.modelVersion,
    id: answer.id,
    outputs: answer.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_output_contents: answer.outputs.map(({ data }) => data),
  };
}
