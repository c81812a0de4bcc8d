/**
 * Open Inference Protocol v2, inference over JSON.
 * https://github.com/kserve/open-inference-protocol: specification/protocol/inference_rest.md
 */
import { invalid } from "../errors.ts";
import { isDatatype } from "./datatypes.ts";
import { decodeElements, encodeElements, InexactInteger } from "./elements.ts";
import { isObject, parseJson, parseJsonExactly, quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { Signature, Tensor, TensorSpec } from "./tensor.ts";

export type InferRequest = {
  /** Echoed in the answer; absent when the client gave none. */
  readonly id?: string;
  /** One per input of the model, in the model's order. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted, in the order wanted. */
  readonly outputs: readonly string[];
};

export type InferAnswer = {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly outputs: readonly Tensor[];
};

const idLengthMax = 1024;

/** A body as request that fits the model. Throws ServingError `invalid` with the reason. */
export function decodeInfer(body: Uint8Array, signature: Signature): InferRequest {
  try {
    return requestOf(parseJson(body), signature);
  } catch (error) {
    if (!(error instanceof InexactInteger)) throw error;
    return requestOf(parseJsonExactly(body), signature);
  }
}

function requestOf(json: unknown, signature: Signature): InferRequest {
  if (!isObject(json)) throw invalid("the body is not a JSON object");
  const { id } = json;
  if (id !== undefined && typeof id !== "string") throw invalid("id is not a string");
  if (id !== undefined && id.length > idLengthMax) {
    throw invalid(`id is longer than ${idLengthMax} characters`);
  }
  checkParameters(json, "the request");
  const inputs = decodeInputs(json["inputs"], signature);
  const outputs = decodeOutputs(json["outputs"], signature);
  return id === undefined ? { inputs, outputs } : { id, inputs, outputs };
}

/** Every parameter is accepted and none changes the result; binary tensors would, so say so. */
function checkParameters(holder: JsonObject, where: string): void {
  const { parameters } = holder;
  if (parameters === undefined || parameters === null) return;
  if (!isObject(parameters)) throw invalid(`${where}: parameters is not an object`);
  if (Object.hasOwn(parameters, "binary_data_size")) {
    throw invalid(`${where}: binary tensor data is not supported, send data as JSON`);
  }
}

function decodeInputs(inputs: unknown, signature: Signature): Tensor[] {
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
    tensors.set(name, decodeInput(input, spec));
  }
  return signature.inputs.map((spec) => {
    const tensor = tensors.get(spec.name);
    if (tensor === undefined) throw invalid(`input ${quote(spec.name)} is missing`);
    return tensor;
  });
}

function unknownName(what: string, name: string, known: Iterable<string>): Error {
  return invalid(`the model has no ${what} ${quote(name)}; it has ${quote([...known])}`);
}

function decodeInput(input: JsonObject, spec: TensorSpec): Tensor {
  const where = `input ${quote(spec.name)}`;
  const { datatype } = input;
  if (!isDatatype(datatype)) throw invalid(`${where}: ${quote(datatype)} is no datatype`);
  if (datatype !== spec.datatype) {
    throw invalid(`${where}: datatype is ${datatype}, the model takes ${spec.datatype}`);
  }
  checkParameters(input, where);
  const shape = decodeShape(input["shape"], where);
  checkShape(shape, spec);
  const target = { name: spec.name, datatype, shape };
  return { ...target, data: decodeElements(target, input["data"]) };
}

function decodeShape(shape: unknown, where: string): number[] {
  if (!Array.isArray(shape)) throw invalid(`${where}: shape is not an array`);
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 1) {
      throw invalid(`${where}: ${quote(dimension)} in shape is no whole number above 0`);
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

function decodeOutputs(outputs: unknown, signature: Signature): string[] {
  const known = signature.outputs.map((spec) => spec.name);
  if (outputs === undefined || outputs === null) return known;
  if (!Array.isArray(outputs)) throw invalid("outputs is not an array");
  const wanted = new Set<string>();
  for (const output of outputs) {
    if (!isObject(output)) throw invalid("an element of outputs is not an object");
    const { name } = output;
    if (typeof name !== "string") throw invalid("an output has no name");
    if (!known.includes(name)) throw unknownName("output", name, known);
    if (wanted.has(name)) throw invalid(`output ${quote(name)} is asked for twice`);
    checkParameters(output, `output ${quote(name)}`);
    wanted.add(name);
  }
  return wanted.size === 0 ? known : [...wanted];
}

/** The answer as JSON text: written by hand, because serialising the numbers is the cost. */
export function encodeInfer(answer: InferAnswer): string {
  let text = `{"model_name":${JSON.stringify(answer.modelName)}`;
  if (answer.modelVersion !== undefined) {
    text += `,"model_version":${JSON.stringify(answer.modelVersion)}`;
  }
  if (answer.id !== undefined) text += `,"id":${JSON.stringify(answer.id)}`;
  text += ',"outputs":[';
  for (const [index, tensor] of answer.outputs.entries()) {
    if (index > 0) text += ",";
    text += `{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}"`;
    text += `,"shape":[${tensor.shape.join(",")}],"data":[${encodeElements(tensor)}]}`;
  }
  return `${text}]}`;
}
