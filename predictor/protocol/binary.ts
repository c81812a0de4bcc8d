/**
 * The binary tensor data extension: the JSON object, then the tensors' own bytes, in the order of
 * the JSON. Nothing is copied: a tensor is a view of the body.
 * https://github.com/triton-inference-server/server: docs/protocol/extension_binary_data.md
 */
import { invalid } from "../errors.ts";
import { datatypes } from "./datatypes.ts";
import { isObject, quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { cutAtNul } from "./elements.ts";
import { elementCount, withLength } from "./tensor.ts";
import type { Bytes, Signature, Tensor, TensorSpec } from "./tensor.ts";

/** The header, in Node's lower case, that says where the JSON ends. */
export const headerLengthHeader = "inference-header-content-length";

/** That header as number; nothing when there is none. Throws ServingError `invalid`. */
export function parseHeaderLength(
  value: string | string[] | undefined,
  bodyBytes: number,
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !/^\d{1,15}$/.test(value) || Number(value) > bodyBytes) {
    throw invalid(
      `Inference-Header-Content-Length is ${quote(value)}: ` +
        `it must be the length of the JSON object, at most the body's ${bodyBytes} bytes`,
    );
  }
  return Number(value);
}

/** The bytes behind the JSON, taken from the front, tensor by tensor. */
export class BinaryPart {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  take(size: number, where: string): Bytes {
    const left = this.#bytes.byteLength - this.#at;
    if (size > left) {
      throw invalid(`${where}: binary_data_size is ${size}, but only ${left} bytes are left`);
    }
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  /** Throws when bytes are left that no tensor claims. */
  finish(): void {
    const left = this.#bytes.byteLength - this.#at;
    if (left > 0) throw invalid(`${left} bytes of binary data belong to no input`);
  }
}

/** A tensor's `binary_data_size`; nothing when its data is JSON. */
export function binarySizeOf(input: JsonObject, where: string): number | undefined {
  const { parameters } = input;
  const size = isObject(parameters) ? parameters["binary_data_size"] : undefined;
  if (size === undefined || size === null) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${where}: binary_data_size is ${quote(size)}, no number of bytes`);
  }
  if (input["data"] !== undefined && input["data"] !== null) {
    throw invalid(`${where}: has both data and binary_data_size`);
  }
  return size;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Checks that bytes are what the shape says. Throws ServingError `invalid`. */
export function checkBinary(
  { datatype, shape, elements }: Pick<TensorSpec, "datatype" | "shape" | "elements">,
  data: Bytes,
  where: string,
): void {
  const count = elementCount(shape);
  if (datatype === "BYTES") {
    const found = countElements(data, where, elements);
    if (found === count) return;
    const holds = `shape [${shape.join(",")}] holds ${count} elements`;
    throw invalid(`${where}: ${holds}, the binary data has ${found}`);
  }
  const expected = count * datatypes[datatype].bytes;
  if (data.byteLength !== expected) {
    throw invalid(
      `${where}: shape [${shape.join(",")}] of ${datatype} takes ${expected} bytes, ` +
        `the binary data has ${data.byteLength}`,
    );
  }
  const wrong = datatype === "BOOL" ? data.findIndex((byte) => byte > 1) : -1;
  if (wrong >= 0) {
    throw invalid(`${where}: element ${wrong} is the byte ${data[wrong]}, a BOOL is 0 or 1`);
  }
}

function countElements(data: Bytes, where: string, elements: TensorSpec["elements"]): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let count = 0;
  for (let at = 0; at < data.byteLength; count++) {
    const cut = at + 4 > data.byteLength;
    const end = cut ? Number.POSITIVE_INFINITY : at + 4 + view.getUint32(at, true);
    if (end > data.byteLength) throw invalid(`${where}: element ${count} is cut short`);
    const element = data.subarray(at + 4, end);
    if (elements === undefined && element.includes(0)) throw cutAtNul(where, count);
    try {
      if (elements !== "picture") utf8.decode(element);
    } catch {
      // onnxruntime's strings are UTF-8, so that other bytes have no way in.
      throw invalid(`${where}: element ${count} is not valid UTF-8, which a model's strings are`);
    }
    at = end;
  }
  return count;
}

/**
 * A body that is nothing but the only input's bytes: its shape follows from the model's, with a
 * batch of 1. Of a BYTES input it is the one element, without its length.
 */
export function rawInput(body: Bytes, signature: Signature): Tensor {
  const spec = signature.inputs[0];
  if (spec === undefined || signature.inputs.length !== 1) {
    throw invalid(
      `a body of bytes alone is for models with one input, this has ${signature.inputs.length}: ` +
        "send a JSON object before the bytes",
    );
  }
  const { name, datatype } = spec;
  const where = `input ${quote(name)}`;
  const data = datatype === "BYTES" ? withLength(body) : body;
  const shape = rawShape(spec, body.byteLength / datatypes[datatype].bytes, where);
  checkBinary({ ...spec, shape }, data, where);
  return { name, datatype, shape, data };
}

function rawShape({ shape, datatype }: TensorSpec, elements: number, where: string): number[] {
  const batched = shape.length > 1 && shape[0] === -1 ? [1, ...shape.slice(1)] : [...shape];
  const free = batched.flatMap((size, index) => (size === -1 ? [index] : []));
  if (free.length > 1) {
    throw invalid(
      `${where}: shape [${shape.join(",")}] can't be told from the number of bytes: ` +
        "send a JSON object before the bytes",
    );
  }
  const fixed = elementCount(batched.filter((size) => size !== -1));
  const at = free[0];
  if (at !== undefined) batched[at] = datatype === "BYTES" ? 1 : Math.floor(elements / fixed);
  return batched;
}
