/**
 * The one shape in which tensors travel through the predictor: name, datatype, dimensions, and the
 * elements as little-endian bytes, exactly as the binary extension of the Open Inference Protocol
 * lays them out. Joining and splitting batches is then joining and splitting bytes.
 */
import { fromBFloat16, toBFloat16 } from "./bfloat16.ts";
import { datatypes } from "./datatypes.ts";
import type { Datatype } from "./datatypes.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

export type Tensor = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Row-major; a BYTES element is its length (uint32) and its bytes. */
  readonly data: Bytes;
};

/**
 * A tensor to be sent and not looked into: its bytes may lie in pieces, one after the other. To
 * join requests is to put their pieces in a row, without a copy of them.
 */
export type SentTensor = Omit<Tensor, "data"> & { readonly data: Bytes | readonly Bytes[] };

/** The length of a tensor's bytes. */
export function byteLengthOf({ data }: SentTensor): number {
  if (data instanceof Uint8Array) return data.byteLength;
  return data.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** The tensor with its bytes in one piece: a copy, unless they were. */
export function inOnePiece(tensor: SentTensor): Tensor {
  if (tensor.data instanceof Uint8Array) return { ...tensor, data: tensor.data };
  const data = new Uint8Array(byteLengthOf(tensor));
  let at = 0;
  for (const piece of tensor.data) {
    data.set(piece, at);
    at += piece.byteLength;
  }
  return { ...tensor, data };
}

/** What a model takes or gives. A dimension only known at run time is -1. */
export type TensorSpec = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** The model's names of its dimensions, empty where it has none. */
  readonly dimensionNames: readonly string[];
  /**
   * Of BYTES that a task takes and no graph sees: its texts may hold U+0000, at which onnxruntime's
   * Node binding cuts a string; its pictures are any bytes.
   */
  readonly elements?: "text" | "picture";
};

export type Signature = {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
};

/** The number of elements; exact, because a product beyond 2^53 is Infinity here. */
export function elementCount(shape: readonly number[]): number {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  return Number.isSafeInteger(count) ? count : Number.POSITIVE_INFINITY;
}

/**
 * A typed view of fixed-size elements, of BF16 their words, copied only when the bytes lie
 * unaligned.
 */
export function viewOf(tensor: { datatype: Datatype; data: Bytes }): ArrayLike<number | bigint> {
  const { array, bytes } = datatypes[tensor.datatype];
  // slice() of a Buffer would be no copy.
  const aligned = tensor.data.byteOffset % bytes === 0 ? tensor.data : new Uint8Array(tensor.data);
  return new array(aligned.buffer, aligned.byteOffset, aligned.byteLength / bytes);
}

/** The elements as numbers: a view; of BF16, of which there is none, a copy. */
export function numbersOf(tensor: { datatype: Datatype; data: Bytes }): ArrayLike<number | bigint> {
  const view = viewOf(tensor);
  return tensor.datatype === "BF16" ? fromBFloat16(view as Uint16Array) : view;
}

/** Writes a number as an element of `data`, which lies aligned; as the datatype has it. */
export function setterOf(tensor: {
  datatype: Datatype;
  data: Bytes;
}): (index: number, value: number) => void {
  const view = viewOf(tensor) as (number | bigint)[];
  if (tensor.datatype === "BF16") return (index, value) => (view[index] = toBFloat16(value));
  if (datatypes[tensor.datatype].kind === "long") {
    return (index, value) => (view[index] = BigInt(value));
  }
  return (index, value) => (view[index] = value);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An element of a BYTES tensor, its length before it. */
export function withLength(element: Bytes): Bytes {
  const packed = new Uint8Array(4 + element.byteLength);
  new DataView(packed.buffer).setUint32(0, element.byteLength, true);
  packed.set(element, 4);
  return packed;
}

/** Strings as elements of a BYTES tensor. */
export function packStrings(strings: readonly string[]): Bytes {
  const parts = strings.map((each) => encoder.encode(each));
  const total = parts.reduce((sum, part) => sum + 4 + part.byteLength, 0);
  const packed = new Uint8Array(total);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.byteLength, true);
    packed.set(part, at + 4);
    at += 4 + part.byteLength;
  }
  return packed;
}

/** The elements of a BYTES tensor as strings. Throws RangeError when a length points outside. */
export function unpackStrings(packed: Bytes): string[] {
  const strings: string[] = [];
  for (let at = 0; at < packed.byteLength;) {
    const end = endOfElement(packed, at);
    strings.push(decoder.decode(packed.subarray(at + 4, end)));
    at = end;
  }
  return strings;
}

/** The elements of a BYTES tensor as they are, views of it. */
export function unpackElements(packed: Bytes): Bytes[] {
  const elements: Bytes[] = [];
  for (let at = 0; at < packed.byteLength;) {
    const end = endOfElement(packed, at);
    elements.push(packed.subarray(at + 4, end));
    at = end;
  }
  return elements;
}

function endOfElement(packed: Bytes, at: number): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const end = at + 4 + view.getUint32(at, true);
  if (end > packed.byteLength) throw new RangeError(`a BYTES element at ${at} ends at ${end}`);
  return end;
}

/** The bytes of `count` elements that begin at byte `at`: where the next tensor's part begins. */
export function byteEnd(tensor: Tensor, at: number, count: number): number {
  if (tensor.datatype !== "BYTES") return at + count * datatypes[tensor.datatype].bytes;
  let end = at;
  for (let element = 0; element < count; element++) end = endOfElement(tensor.data, end);
  return end;
}
