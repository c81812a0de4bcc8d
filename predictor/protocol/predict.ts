/**
 * KServe's v1 protocol, that of TensorFlow Serving: `instances` is one value per row, `inputs` is
 * one tensor per input. https://github.com/kserve/kserve/blob/master/docs/predict-api/v1
 */
import { invalid } from "../errors.ts";
import { decodeElements, encodeNested } from "./elements.ts";
import { checkShape } from "./infer.ts";
import { decodeJson, isObject, quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { Signature, Tensor, TensorSpec } from "./tensor.ts";

export type PredictRequest = {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  /** The number of instances, when the client sent rows; nothing when it sent columns. */
  readonly rows?: number;
};

/** A body as request that fits the model. Throws ServingError `invalid` with the reason. */
export function decodePredict(body: Uint8Array, signature: Signature): PredictRequest {
  return decodeJson(body, (json) => requestOf(json, signature));
}

function requestOf(json: unknown, signature: Signature): PredictRequest {
  if (!isObject(json)) throw invalid("the body is not a JSON object");
  const [instances, inputs, signatureName] = ["instances", "inputs", "signature_name"].map(
    (name) => json[name] ?? undefined,
  );
  // An ONNX model has one signature, whatever a TensorFlow client calls it.
  if (signatureName !== undefined && typeof signatureName !== "string") {
    throw invalid("signature_name is not a string");
  }
  const outputs = signature.outputs.map((spec) => spec.name);
  if (instances !== undefined && inputs !== undefined) {
    throw invalid("the body has both instances and inputs");
  }
  if (inputs !== undefined) {
    const columns = columnsOf(inputs, signature);
    return { inputs: signature.inputs.map((spec) => tensorOf(columns, spec)), outputs };
  }
  if (!Array.isArray(instances)) throw invalid('Expected "instances" to be a list');
  const rows = rowsOf(instances, signature);
  return {
    inputs: signature.inputs.map((spec) => tensorOf(rows, spec)),
    outputs,
    rows: instances.length,
  };
}

type Columns = ReadonlyMap<string, unknown>;

function columnsOf(inputs: unknown, signature: Signature): Columns {
  const only = signature.inputs[0];
  if (isObject(inputs) && !isBinary(inputs)) return namedColumns(inputs, signature, "inputs");
  if (signature.inputs.length !== 1 || only === undefined) {
    throw invalid(`inputs is not an object with ${quote(signature.inputs.map((x) => x.name))}`);
  }
  return new Map([[only.name, inputs]]);
}

function namedColumns(values: JsonObject, signature: Signature, where: string): Columns {
  const known = signature.inputs.map((spec) => spec.name);
  for (const name of Object.keys(values)) {
    if (!known.includes(name)) {
      throw invalid(`the model has no input ${quote(name)}; it has ${quote(known)}`);
    }
  }
  const missing = known.find((name) => !Object.hasOwn(values, name));
  if (missing !== undefined) throw invalid(`${where}: input ${quote(missing)} is missing`);
  return new Map(Object.entries(values));
}

/** Rows as columns. With one input a row may be the bare value; with several it is an object. */
function rowsOf(instances: readonly unknown[], signature: Signature): Columns {
  const only = signature.inputs[0];
  const bare = !isObject(instances[0]) || isBinary(instances[0]);
  if (bare && signature.inputs.length === 1 && only !== undefined) {
    return new Map([[only.name, instances]]);
  }
  const columns = new Map(signature.inputs.map((spec) => [spec.name, [] as unknown[]]));
  for (const instance of instances) {
    if (!isObject(instance)) {
      throw invalid(`an instance is not an object with ${quote([...columns.keys()])}`);
    }
    for (const [name, value] of namedColumns(instance, signature, "an instance")) {
      columns.get(name)?.push(value);
    }
  }
  return columns;
}

/** TensorFlow Serving's way to write bytes. */
function isBinary(value: unknown): value is { b64: string } {
  return isObject(value) && typeof value["b64"] === "string" && Object.keys(value).length === 1;
}

function tensorOf(columns: Columns, spec: TensorSpec): Tensor {
  const given = columns.get(spec.name);
  const data = spec.datatype === "BYTES" ? unwrapBinary(given, spec, 0) : given;
  const shape = shapeOf(data, spec.shape);
  checkShape(shape, spec);
  const target = { name: spec.name, datatype: spec.datatype, shape };
  return { ...target, data: decodeElements(target, data) };
}

/**
 * The lengths of the first element of each level, at most one level more than the rank. Below an
 * empty array there is nothing to measure: it has the model's own dimensions, free ones being 0.
 */
function shapeOf(data: unknown, declared: readonly number[]): number[] {
  const shape: number[] = [];
  let value = data;
  while (Array.isArray(value) && shape.length <= declared.length) {
    shape.push(value.length);
    if (value.length === 0) {
      return [...shape, ...declared.slice(shape.length).map((size) => Math.max(0, size))];
    }
    value = value[0];
  }
  return shape;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function unwrapBinary(value: unknown, spec: TensorSpec, depth: number): unknown {
  if (Array.isArray(value) && depth < spec.shape.length) {
    return value.map((each) => unwrapBinary(each, spec, depth + 1));
  }
  if (!isBinary(value)) return value;
  try {
    const binary = atob(value.b64);
    return utf8.decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  } catch {
    // onnxruntime's strings are UTF-8, so that other bytes have no way in.
    throw invalid(`input ${quote(spec.name)}: b64 is no base64 of UTF-8 text`);
  }
}

/**
 * Rows in: `predictions`, one per instance; an object where the model has several outputs. Columns
 * in: `outputs`. Throws ServingError `invalid` when the outputs have no row per instance.
 */
export function encodePredict(outputs: readonly Tensor[], rows: number | undefined): string {
  if (rows === undefined) return `{"outputs":${encodeColumns(outputs)}}`;
  const columns = outputs.map((tensor) => {
    if (tensor.shape[0] !== rows) {
      throw invalid(
        `output ${quote(tensor.name)} has shape [${tensor.shape.join(",")}], not one row per ` +
          'instance: send "inputs", or use the v2 protocol',
      );
    }
    return { key: JSON.stringify(tensor.name), values: encodeNested(tensor) };
  });
  const predictions: string[] = [];
  for (let row = 0; row < rows; row++) {
    const fields = columns.map(({ key, values }) => `${key}:${values[row] ?? "null"}`);
    const only = columns.length === 1 ? columns[0]?.values[row] : undefined;
    predictions.push(only ?? `{${fields.join()}}`);
  }
  return `{"predictions":[${predictions.join()}]}`;
}

function encodeColumns(outputs: readonly Tensor[]): string {
  const columns = outputs.map((tensor) => {
    const values = encodeNested(tensor).join();
    return { key: JSON.stringify(tensor.name), text: tensor.shape.length ? `[${values}]` : values };
  });
  const only = columns.length === 1 ? columns[0]?.text : undefined;
  return only ?? `{${columns.map(({ key, text }) => `${key}:${text}`).join()}}`;
}
