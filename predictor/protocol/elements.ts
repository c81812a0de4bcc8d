/**
 * JSON arrays to elements and back. `data` may be flat in row-major order or nested like the shape.
 */
import { invalid } from "../errors.ts";
import { toBFloat16 } from "./bfloat16.ts";
import { datatypes } from "./datatypes.ts";
import { encodeFloat32s } from "./float-text.ts";
import { InexactInteger, quote } from "./json.ts";
import { elementCount, numbersOf, packStrings, unpackStrings, viewOf } from "./tensor.ts";
import type { Bytes, Tensor, TensorSpec } from "./tensor.ts";

type Target = Pick<TensorSpec, "name" | "datatype" | "shape" | "elements">;

/** Writes one JSON value as element `index`; throws ServingError `invalid`. */
type Write = (index: number, value: unknown) => void;

/**
 * The elements of a tensor from its JSON `data`. Throws ServingError `invalid` when the count, the
 * nesting or an element doesn't fit, and InexactInteger for a 64-bit one that may have been rounded.
 */
export function decodeElements(target: Target, data: unknown): Bytes {
  const count = elementCount(target.shape);
  const values = target.shape.length === 0 && !Array.isArray(data) ? [data] : data;
  if (!Array.isArray(values)) throw invalid(`input ${quote(target.name)}: data is not an array`);
  const nested = Array.isArray(values[0]);
  if (!nested && values.length !== count) throw countFault(target, count, values.length);
  if (nested) assertNesting(target, values, 0);
  const { write, finish } = writerFor(target, count);
  if (nested) fillNested(values, target.shape.length - 1, write, 0);
  else for (let index = 0; index < count; index++) write(index, values[index]);
  return finish();
}

/** Checked before anything is allocated, so that a lie about the shape costs nothing. */
function assertNesting(target: Target, values: readonly unknown[], depth: number): void {
  const expected = target.shape[depth];
  if (values.length !== expected) {
    throw invalid(
      `input ${quote(target.name)}: data has ${values.length} elements in dimension ${depth}, ` +
        `shape [${target.shape.join(",")}] says ${expected ?? "there is no such dimension"}`,
    );
  }
  if (depth === target.shape.length - 1) return;
  for (const value of values) {
    if (!Array.isArray(value)) {
      throw invalid(`input ${quote(target.name)}: data is nested unevenly`);
    }
    assertNesting(target, value, depth + 1);
  }
}

function fillNested(values: readonly unknown[], depth: number, write: Write, from: number): number {
  let index = from;
  if (depth === 0) {
    for (const value of values) write(index++, value);
    return index;
  }
  for (const value of values) {
    index = fillNested(value as unknown[], depth - 1, write, index);
  }
  return index;
}

/** The fault of a tensor that holds more elements than its shape, or fewer. */
export function countFault({ name, shape }: Target, count: number, found: number): Error {
  const holds = `shape [${shape.join(",")}] holds ${count} elements`;
  return invalid(`input ${quote(name)}: ${holds}, data has ${found}`);
}

/** The fault of an element that isn't of the tensor's datatype. */
export function elementFault(target: Target, index: number, value: unknown): Error {
  return invalid(
    `input ${quote(target.name)}: element ${index} is ${quote(value)}, no ${target.datatype}`,
  );
}

function writerFor(target: Target, count: number): { write: Write; finish: () => Bytes } {
  const { kind, bytes } = datatypes[target.datatype];
  if (kind === "string") return stringWriter(target, count);
  const data = new Uint8Array(count * bytes);
  const write = {
    bool: boolWriter,
    integer: numberWriter,
    float: numberWriter,
    long: longWriter,
  }[kind](target, data);
  return { write, finish: () => data };
}

function stringWriter(target: Target, count: number): { write: Write; finish: () => Bytes } {
  const where = `input ${quote(target.name)}`;
  const strings = Array.from<string>({ length: count });
  const write: Write = (index, value) => {
    if (typeof value !== "string") throw elementFault(target, index, value);
    if (!value.isWellFormed()) {
      throw invalid(`${where}: element ${index} holds half of a surrogate pair, and is no text`);
    }
    if (target.elements === undefined && value.includes("\0")) throw cutAtNul(where, index);
    strings[index] = value;
  };
  return { write, finish: () => packStrings(strings) };
}

/** The fault of a text that would lose its end on the way to the model. */
export function cutAtNul(where: string, index: number): Error {
  return invalid(
    `${where}: element ${index} holds U+0000, at which onnxruntime's Node binding would cut it`,
  );
}

/** true and false, and 1 and 0 as every NumPy client sends them. */
function boolWriter(target: Target, data: Bytes): Write {
  return (index, value) => {
    if (value !== true && value !== false && value !== 0 && value !== 1) {
      throw elementFault(target, index, value);
    }
    data[index] = Number(value);
  };
}

function numberWriter(target: Target, data: Bytes): Write {
  const { kind, min, max } = datatypes[target.datatype];
  const whole = kind === "integer";
  const view = viewOf({ datatype: target.datatype, data }) as number[];
  const isWords = target.datatype === "BF16";
  return (index, value) => {
    const number = typeof value === "bigint" ? Number(value) : value;
    if (typeof number !== "number" || !(number >= min && number <= max)) {
      throw elementFault(target, index, value);
    }
    if (whole && !Number.isInteger(number)) throw elementFault(target, index, value);
    // Not by setterOf: a call for each element is a sixth of the time that large tensors take here.
    view[index] = isWords ? toBFloat16(number) : number;
  };
}

/** 64-bit integers. Small ones are written as two words: BigInt costs twenty times as much. */
function longWriter(target: Target, data: Bytes): Write {
  const { min, max } = datatypes[target.datatype];
  const words = new Int32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  const longs = viewOf({ datatype: target.datatype, data }) as bigint[];
  const unsigned = target.datatype === "UINT64";
  return (index, value) => {
    if (typeof value === "number" && value === (value | 0) && (!unsigned || value >= 0)) {
      words[2 * index] = value;
      words[2 * index + 1] = value < 0 ? -1 : 0;
      return;
    }
    if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new InexactInteger(elementFault(target, index, value));
    }
    const exact = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    if (typeof exact !== "bigint" || exact < min || exact > max) {
      throw elementFault(target, index, value);
    }
    longs[index] = exact;
  };
}

/**
 * Elements as JSON, flat, without the brackets. NaN and the infinities, which JSON lacks, become
 * null, as with KServe and MLServer.
 */
export function encodeElements(tensor: Tensor): string {
  const { kind } = datatypes[tensor.datatype];
  if (kind === "string")
    return unpackStrings(tensor.data)
      .map((each) => JSON.stringify(each))
      .join();
  if (kind === "bool") return tensor.data.reduce(joinBool, "");
  if (kind === "long") return encodeLongs(tensor);
  const view = numbersOf(tensor) as ArrayLike<number>;
  if (view instanceof Float32Array) return encodeFloat32s(view);
  return kind === "float" ? encodeFloats(view) : Array.prototype.join.call(view);
}

const joinBool = (text: string, value: number): string =>
  (text === "" ? "" : `${text},`) + (value === 0 ? "false" : "true");

function encodeFloats(view: ArrayLike<number>): string {
  let text = "";
  for (let index = 0; index < view.length; index++) {
    const value = view[index] ?? 0;
    if (index > 0) text += ",";
    if (value === 0) text += Object.is(value, -0) ? "-0" : "0";
    else text += Number.isFinite(value) ? value : "null";
  }
  return text;
}

function encodeLongs(tensor: Tensor): string {
  const longs = viewOf(tensor);
  const view = longs as unknown as BigInt64Array<ArrayBuffer>;
  const words = new Int32Array(view.buffer, view.byteOffset, view.byteLength / 4);
  let text = "";
  for (let index = 0; index < longs.length; index++) {
    const low = words[2 * index] ?? 0;
    if (index > 0) text += ",";
    // Whether the high word only repeats the sign; of a UINT64 it must then be no sign at all.
    const small = words[2 * index + 1] === (tensor.datatype === "UINT64" ? 0 : low >> 31);
    text += small && (tensor.datatype === "INT64" || low >= 0) ? low : (longs[index] ?? 0n);
  }
  return text;
}

/** Elements as JSON nested like the shape; a scalar is a bare value. */
export function encodeNested(tensor: Tensor): string[] {
  let level = splitElements(tensor);
  for (let depth = tensor.shape.length - 1; depth > 0; depth--) {
    const dimension = tensor.shape[depth] ?? 0;
    const groups = elementCount(tensor.shape.slice(0, depth));
    const flat = level;
    level = Array.from({ length: groups }, (_, group) => {
      return `[${flat.slice(group * dimension, (group + 1) * dimension).join()}]`;
    });
  }
  return level;
}

function splitElements(tensor: Tensor): string[] {
  if (tensor.datatype === "BYTES") return unpackStrings(tensor.data).map((x) => JSON.stringify(x));
  const text = encodeElements(tensor);
  return text === "" ? [] : text.split(",");
}
