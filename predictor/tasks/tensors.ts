/** Numbers to tensors and back, in the lengths that tasks deal with. */
import { viewOf } from "../protocol/tensor.ts";
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
  return { name, datatype: "INT64", shape: [1, values.length], data: packLongs(values) };
}

/** The elements as numbers; float16 too. */
export function floatsOf(tensor: Tensor): ArrayLike<number> {
  if (tensor.datatype !== "FP16") return viewOf(tensor) as ArrayLike<number>;
  const words = viewOf({ ...tensor, datatype: "UINT16" }) as ArrayLike<number>;
  return Float32Array.from(words, fromHalf);
}

function fromHalf(word: number): number {
  const [sign, exponent, fraction] = [word >> 15 ? -1 : 1, (word >> 10) & 31, word & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}
