/** Numbers to tensors and back, in the lengths that tasks deal with. */
import { numbersOf, viewOf } from "../protocol/tensor.ts";
import type { Bytes, Tensor } from "../protocol/tensor.ts";

export function packFloats(values: readonly number[]): Bytes {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** INT64 elements; each below 2^53, as token ids and positions are. */
export function packLongs(values: readonly number[]): Bytes {
  return new Uint8Array(BigInt64Array.from(values, (value) => BigInt(value)).buffer);
}

/** One row of INT64. */
export function longs(name: string, values: readonly number[]): Tensor {
  return longRows(name, [values]);
}

/** Rows of INT64, all of one length. */
export function longRows(name: string, rows: readonly (readonly number[])[]): Tensor {
  const shape = [rows.length, rows[0]?.length ?? 0];
  return { name, datatype: "INT64", shape, data: packLongs(rows.flat()) };
}

/**
 * The rows at these indexes, in this order, any of them several times; the tensor itself where they
 * are its rows as they are. Elements have a fixed size.
 */
export function takeRows(tensor: Tensor, indexes: readonly number[]): Tensor {
  const [count = 0, ...rest] = tensor.shape;
  if (indexes.length === count && indexes.every((index, at) => index === at)) return tensor;
  const width = tensor.data.byteLength / Math.max(1, count);
  const data = new Uint8Array(width * indexes.length);
  for (const [at, index] of indexes.entries()) {
    data.set(tensor.data.subarray(index * width, (index + 1) * width), at * width);
  }
  return { ...tensor, shape: [indexes.length, ...rest], data };
}

/** The elements as numbers; those of half the width too. */
export function floatsOf(tensor: Tensor): ArrayLike<number> {
  if (tensor.datatype !== "FP16") return numbersOf(tensor) as ArrayLike<number>;
  const words = viewOf({ ...tensor, datatype: "UINT16" }) as ArrayLike<number>;
  return Float32Array.from(words, fromHalf);
}

function fromHalf(word: number): number {
  const [sign, exponent, fraction] = [word >> 15 ? -1 : 1, (word >> 10) & 31, word & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}
