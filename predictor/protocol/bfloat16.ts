/**
 * PURE: bfloat16, the upper half of a float32. JavaScript has no array of it: its elements are
 * words of 16 bits. https://en.wikipedia.org/wiki/Bfloat16_floating-point_format
 */

/** From half a step above the largest finite value on, a number would round to infinity. */
export const bfloat16Max = 2 ** 128 - 2 ** 119 - 2 ** 75;

const quietNaN = 0x7fc0;
const half = 0x8000;
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The nearest one, of two as near the even one, as IEEE 754 rounds. */
export function toBFloat16(value: number): number {
  if (Number.isNaN(value)) return quietNaN;
  float[0] = value;
  const rounded = Math.fround(value);
  const word = bits[0] ?? 0;
  const [upper, lower] = [word >>> 16, word & 0xffff];
  if (lower !== half) return upper + Number(lower > half);
  // In the middle; or it only came to lie there when it became a float32.
  const lost = Math.abs(value) - Math.abs(rounded);
  return upper + (lost === 0 ? upper & 1 : Number(lost > 0));
}

/** Numbers that are exactly these. */
export function fromBFloat16(words: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const wide = new Uint32Array(words.length);
  for (let index = 0; index < words.length; index++) wide[index] = (words[index] ?? 0) << 16;
  return new Float32Array(wide.buffer);
}

/** Each as toBFloat16 has it. */
export function narrow(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const words = new Uint16Array(values.length);
  for (let index = 0; index < words.length; index++) words[index] = toBFloat16(values[index] ?? 0);
  return words;
}
