/** PURE: how much memory the values of a JSON text take, told before they are made. */
import type { Bytes } from "../protocol/tensor.ts";

/** About what V8 spends on each that begins with, or follows, such a character. */
const costs = new Uint8Array(256);
for (const [character, bytes] of Object.entries({
  "[": 48,
  "{": 64,
  ",": 8,
  ":": 24,
  '"': 16, // a string has two
})) {
  costs[character.charCodeAt(0)] = bytes;
}

/** Bytes, rather too many: what is in strings counts as if it were none. */
export function memoryOf(json: Bytes): number {
  let sum = json.byteLength;
  for (let at = 0; at < json.byteLength; at++) sum += costs[json[at] ?? 0] ?? 0;
  return sum;
}
