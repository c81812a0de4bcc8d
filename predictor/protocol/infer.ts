/**
 * Open Inference Protocol v2, inference over JSON, with or without tensors' bytes behind it.
 * https://github.com/kserve/open-inference-protocol: specification/protocol/inference_rest.md
 */
import { invalid } from "../errors.ts";
import { BinaryPart, binarySizeOf, checkBinary, rawInput } from "./binary.ts";
import { isDatatype } from "./datatypes.ts";
import { decodeElements, encodeElements } from "./elements.ts";
import { decodeJson, isObject, quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { Bytes, Signature, Tensor, TensorSpec } from "./tensor.ts";

export type InferRequest = {
  /** Echoed in the answer; absent when the client gave none. */
  readonly id?: string;
  /** One per input of the model, in the model's order. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted, in the order wanted. */
  readonly outputs: readonly string[];
  /** Those of them whose data is wanted as bytes; absent when none is. */
  readonly binary?: ReadonlySet<string>;
  /** The request's own parameters, when there are any. */
  readonly parameters?: JsonObject;
};

export type InferAnswer = {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly outputs: readonly Tensor[];
};

/** For models that take their inputs in two ways: the signature that has inputs of these names. */
export type SignatureChoice = (names: readonly string[]) => Signature;

const idLengthMax = 1024;

/**
 * A body as request that fits the model; `headerLength` is where its JSON ends, if the client said
 * so. Throws ServingError `invalid` with the reason.
 */
export function decodeInfer(
  body: Bytes,
  signature: Signature | SignatureChoice,
  headerLength?: number,
): InferRequest {
  if (headerLength === 0) {
    const chosen = typeof signature === "function" ? signature([]) : signature;
    const outputs = chosen.outputs.map((spec) => spec.name);
    return { inputs: [rawInput(body, chosen)], outputs, binary: new Set(outputs) };
  }
  const json = headerLength === undefined ? body : body.subarray(0, headerLength);
  const rest = headerLength === undefined ? undefined : body.subarray(headerLength);
  return decodeJson(json, (value) => requestOf(value, signature, rest));
}

function requestOf(
  json: unknown,
  choice: Signature | SignatureChoice,
  rest: Bytes | undefined,
): InferRequest {
  if (!isObject(json)) throw invalid("the body is not a JSON object");
  const signature = typeof choice === "function" ? choice(namesOf(json["inputs"])) : choice;
  const id = json["id"] ?? undefined;
  if (id !== undefined && typeof id !== "string") throw invalid("id is not a string");
  if (id !== undefined && id.length > idLengthMax) {
    throw invalid(`id is longer than ${idLengthMax} characters`);
  }
  const parameters = parametersOf(json, "the request");
  const binary = rest === undefined ? undefined : new BinaryPart(rest);
  const inputs = decodeInputs(json["inputs"], signature, binary);
  binary?.finish();
  const request = { inputs, ...decodeOutputs(json["outputs"], signature, parameters) };
  if (id === undefined && parameters === undefined) return request;
  return {
    ...request,
    ...(id === undefined ? {} : { id }),
    ...(parameters === undefined ? {} : { parameters }),
  };
}

function namesOf(inputs: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(inputs) ? inputs : [];
  return list.flatMap((input) =>
    isObject(input) && typeof input["name"] === "string" ? [input["name"]] : [],
  );
}

/** Unknown parameters are accepted: servers differ in those they have. */
function parametersOf(holder: JsonObject, where: string): JsonObject | undefined {
  const { parameters } = holder;
  if (parameters === undefined || parameters === null) return undefined;
  if (!isObject(parameters)) throw invalid(`${where}: parameters is not an object`);
  return parameters;
}

function decodeInputs(
  inputs: unknown,
  signature: Signature,
  binary: BinaryPart | undefined,
): Tensor[] {
  if (!Array.isArray(inputs)) throw invalid("inputs is not an array");
  const specs = new Map(signature.inputs.map((spec) => [spec.name, spec]));
  const tensors = new Map<string, Tensor>();
  for (const input of inputs) {
    if (!isObject(input)) throw invalid("an element of inputs is not an object");
    const { name } = input;
    if (typeof name !== "string") throw invalid("an input has no name");
    const spec = specs.get(name);
    if (spec === undefined) throw unknownName("input", name, specs.keys());
    if (tensors.has(name)) throw invalid(`input ${quote(name)} is given twice`);
    tensors.set(name, decodeInput(input, spec, binary));
  }
  return signature.inputs.map((spec) => {
    const tensor = tensors.get(spec.name);
    if (tensor === undefined) throw invalid(`input ${quote(spec.name)} is missing`);
    return tensor;
  });
}

/** The fault of a name that the model doesn't have. */
export function unknownName(what: string, name: string, known: Iterable<string>): Error {
  return invalid(`the model has no ${what} ${quote(name)}; it has ${quote([...known])}`);
}

function decodeInput(input: JsonObject, spec: TensorSpec, binary: BinaryPart | undefined): Tensor {
  const where = `input ${quote(spec.name)}`;
  checkDatatype(input["datatype"], spec);
  parametersOf(input, where);
  const shape = decodeShape(input["shape"], where);
  checkShape(shape, spec);
  const target = { name: spec.name, datatype: spec.datatype, shape };
  const size = binarySizeOf(input, where);
  if (size === undefined) {
    const { elements } = spec;
    const wanted = elements === undefined ? target : { ...target, elements };
    return { ...target, data: decodeElements(wanted, input["data"]) };
  }
  if (binary === undefined) {
    throw invalid(`${where}: binary_data_size needs the header Inference-Header-Content-Length`);
  }
  const data = binary.take(size, where);
  checkBinary({ ...spec, shape }, data, where);
  return { ...target, data };
}

/** Throws ServingError `invalid` when a client's datatype isn't the one that the model takes. */
export function checkDatatype(datatype: unknown, spec: TensorSpec): void {
  if (datatype === spec.datatype) return;
  const where = `input ${quote(spec.name)}`;
  if (!isDatatype(datatype)) throw invalid(`${where}: ${quote(datatype)} is no datatype`);
  throw invalid(`${where}: datatype is ${datatype}, the model takes ${spec.datatype}`);
}

/** A client's shape. Throws ServingError `invalid`. */
export function decodeShape(shape: unknown, where: string): number[] {
  if (!Array.isArray(shape)) throw invalid(`${where}: shape is not an array`);
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw invalid(`${where}: ${quote(dimension)} in shape is no whole number`);
    }
  }
  return shape;
}

/** Throws ServingError `invalid` when a shape doesn't fit what the model declares. */
export function checkShape(shape: readonly number[], spec: TensorSpec): void {
  const fits =
    shape.length === spec.shape.length &&
    spec.shape.every((expected, index) => expected === -1 || expected === shape[index]);
  if (fits) return;
  const given = shape.length > 16 ? `of ${shape.length} dimensions` : `[${shape.join(",")}]`;
  throw invalid(
    `input ${quote(spec.name)}: shape is ${given}, the model takes [${spec.shape.join(",")}]`,
  );
}

type Wanted = Pick<InferRequest, "outputs" | "binary">;

function decodeOutputs(
  outputs: unknown,
  signature: Signature,
  parameters: JsonObject | undefined,
): Wanted {
  const known = signature.outputs.map((spec) => spec.name);
  const allBinary = flagOf(parameters, "binary_data_output", "the request");
  const all = allBinary ? { outputs: known, binary: new Set(known) } : { outputs: known };
  if (outputs === undefined || outputs === null) return all;
  if (!Array.isArray(outputs)) throw invalid("outputs is not an array");
  if (outputs.length === 0) return all;
  const wanted = new Set<string>();
  const binary = new Set<string>();
  for (const output of outputs) {
    if (!isObject(output)) throw invalid("an element of outputs is not an object");
    const { name } = output;
    if (typeof name !== "string") throw invalid("an output has no name");
    if (!known.includes(name)) throw unknownName("output", name, known);
    if (wanted.has(name)) throw invalid(`output ${quote(name)} is asked for twice`);
    const where = `output ${quote(name)}`;
    const asked = parametersOf(output, where);
    if (asked !== undefined && Object.hasOwn(asked, "classification")) {
      throw invalid(`${where}: the classification extension is not served, ask for the tensor`);
    }
    wanted.add(name);
    if (flagOf(asked, "binary_data", where) ?? allBinary) binary.add(name);
  }
  return binary.size === 0 ? { outputs: [...wanted] } : { outputs: [...wanted], binary };
}

function flagOf(
  parameters: JsonObject | undefined,
  name: string,
  where: string,
): boolean | undefined {
  const value = parameters?.[name] ?? undefined;
  if (value === undefined || typeof value === "boolean") return value;
  throw invalid(`${where}: ${name} is ${quote(value)}, neither true nor false`);
}

/** The answer as JSON text: written by hand, because serialising the numbers is the cost. */
export function encodeInfer(answer: InferAnswer, binary?: ReadonlySet<string>): string {
  let text = `{"model_name":${JSON.stringify(answer.modelName)}`;
  if (answer.modelVersion !== undefined) {
    text += `,"model_version":${JSON.stringify(answer.modelVersion)}`;
  }
  if (answer.id !== undefined) text += `,"id":${JSON.stringify(answer.id)}`;
  text += ',"outputs":[';
  for (const [index, tensor] of answer.outputs.entries()) {
    if (index > 0) text += ",";
    text += `{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}"`;
    text += `,"shape":[${tensor.shape.join(",")}],`;
    text += binary?.has(tensor.name)
      ? `"parameters":{"binary_data_size":${tensor.data.byteLength}}}`
      : `"data":[${encodeElements(tensor)}]}`;
  }
  return `${text}]}`;
}

/** The tensors whose bytes follow that text, in its order. */
export function binaryOf(answer: InferAnswer, binary: ReadonlySet<string>): readonly Bytes[] {
  return answer.outputs.flatMap(({ name, data }) => (binary.has(name) ? [data] : []));
}
