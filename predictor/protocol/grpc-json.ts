/**
 * What a handler sees of a gRPC call, and what it gives: the JSON of the v2 protocol, so that the
 * same handler serves both.
 */
import { invalid, ServingError } from "../errors.ts";
import { datatypes, isDatatype } from "./datatypes.ts";
import { decodeElements, encodeElements } from "./elements.ts";
import { decodeParameters, decodeTensor, listOf, rawOf, textOf, wholeOf } from "./grpc-infer.ts";
import { decodeShape } from "./infer.ts";
import { decodeJson, isObject, quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { Message } from "./protobuf.ts";
import { setterOf, unpackElements } from "./tensor.ts";
import type { Bytes, Tensor } from "./tensor.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A ModelInferRequest as the JSON text of the v2 protocol, whatever the model takes: what fits the
 * model may only be what the handler makes of it. Throws ServingError `invalid`.
 */
export function encodeRequestJson(bytes: Bytes): string {
  const message = wholeOf(bytes);
  const raw = rawOf(message);
  const inputs = listOf(message, "inputs").map((input, index) => inputJson(input, raw[index]));
  const id = textOf(message, "id");
  const parameters = decodeParameters(message);
  const outputs = listOf(message, "outputs").map((output) => ({ name: textOf(output, "name") }));
  const rest = {
    ...(id === "" ? {} : { id }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(outputs.length === 0 ? {} : { outputs }),
  };
  const others = JSON.stringify(rest).slice(1, -1);
  return `{"inputs":[${inputs.join()}]${others === "" ? "" : `,${others}`}}`;
}

function inputJson(input: Message, raw: Bytes | undefined): string {
  const [name, datatype] = [textOf(input, "name"), textOf(input, "datatype")];
  if (!isDatatype(datatype)) {
    throw invalid(`input ${quote(name)}: ${quote(datatype)} is no datatype that is served`);
  }
  const tensor = decodeTensor(input, { name, datatype, elements: "picture" }, raw);
  const head = { name, datatype, shape: tensor.shape };
  return `${JSON.stringify(head).slice(0, -1)},"data":[${elementsJson(tensor)}]}`;
}

/** Bytes that are no text, which JSON has no strings for, are `{"b64": …}` as in v1. */
function elementsJson(tensor: Tensor): string {
  if (tensor.datatype !== "BYTES") return encodeElements(tensor);
  const elements = unpackElements(tensor.data).map((bytes) => {
    try {
      return JSON.stringify(utf8.decode(bytes));
    } catch {
      return JSON.stringify({ b64: Buffer.from(bytes).toString("base64") });
    }
  });
  return elements.join();
}

const answerFields = ["model_name", "model_version", "id", "parameters", "outputs"];
const outputFields = ["name", "datatype", "shape", "data"];

/**
 * The JSON of a v2 answer, as a handler gives it, as ModelInferResponse. Throws ServingError
 * `not-implemented`, saying which part of it the message has no place for.
 */
export function decodeAnswerJson(body: Bytes): Message {
  try {
    return decodeJson(body, answerOf);
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    const why = error.message.replace(/^input /, "output ");
    const says = `what the handler answers can't be said in gRPC: ${why}; ask over HTTP`;
    throw new ServingError("not-implemented", says);
  }
}

function answerOf(json: unknown): Message {
  if (!isObject(json)) throw invalid("it is no object of the v2 protocol");
  refuseOthers(json, answerFields, "it");
  const { outputs } = json;
  if (!Array.isArray(outputs)) throw invalid("outputs is not an array");
  const tensors = outputs.map(outputOf);
  const text = (name: string): string | undefined => {
    const value = json[name];
    if (value === undefined || typeof value === "string") return value;
    throw invalid(`${name} is not a string`);
  };
  return {
    model_name: text("model_name"),
    model_version: text("model_version"),
    id: text("id"),
    parameters: parametersOf(json["parameters"]),
    outputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_output_contents: tensors.map(({ data }) => data),
  };
}

function refuseOthers(holder: JsonObject, known: readonly string[], what: string): void {
  const other = Object.keys(holder).find((name) => !known.includes(name));
  if (other !== undefined) throw invalid(`${what} has a field ${quote(other)}`);
}

function outputOf(output: unknown): Tensor {
  if (!isObject(output)) throw invalid("an element of outputs is not an object");
  const { name, datatype, data } = output;
  if (typeof name !== "string") throw invalid("an output has no name");
  const where = `output ${quote(name)}`;
  if (!isDatatype(datatype)) throw invalid(`${where}: ${quote(datatype)} is no datatype`);
  refuseOthers(output, outputFields, where);
  const target = { name, datatype, shape: decodeShape(output["shape"], where) };
  if (datatypes[datatype].kind !== "float" || !Array.isArray(data)) {
    return { ...target, data: decodeElements(target, data) };
  }
  // JSON has null for what is no number, and for the infinities.
  const flat: unknown[] = data.flat(target.shape.length);
  const numbers = flat.map((value) => value ?? 0);
  const bytes = decodeElements({ ...target, shape: target.shape }, numbers);
  const set = setterOf({ datatype, data: bytes });
  for (const [index, value] of flat.entries()) if (value === null) set(index, Number.NaN);
  return { ...target, data: bytes };
}

function parametersOf(parameters: unknown): Message[] {
  if (parameters === undefined || parameters === null) return [];
  if (!isObject(parameters)) throw invalid("parameters is not an object");
  return Object.entries(parameters).map(([key, value]) => ({
    key,
    value: parameterOf(key, value),
  }));
}

function parameterOf(key: string, value: unknown): Message {
  if (typeof value === "string") return { string_param: value };
  if (typeof value === "boolean") return { bool_param: value };
  if (Number.isSafeInteger(value)) return { int64_param: BigInt(value as number) };
  if (typeof value === "number") return { double_param: value };
  throw invalid(`the parameter ${quote(key)} is neither text, number nor truth`);
}
