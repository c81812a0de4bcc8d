/** Varints, as Protocol Buffers pack whole numbers, to the elements of a tensor. */
import { datatypes } from "./datatypes.ts";
import { countFault, elementFault } from "./elements.ts";
import { broken } from "./protobuf.ts";
import { elementCount, viewOf } from "./tensor.ts";
import type { Bytes, Tensor } from "./tensor.ts";

type Target = Omit<Tensor, "data">;

/** Writes a number of 64 bits, given as two words, as element `index`. */
type Write = (index: number, low: number, high: number) => void;

/**
 * The elements of a tensor of whole numbers or truth values. Throws ServingError `invalid` when the
 * count or an element doesn't fit.
 */
export function decodeVarints(target: Target, varints: Bytes): Bytes {
  const count = elementCount(target.shape);
  const found = countVarints(varints);
  // Before anything is allocated: a lie about the shape costs nothing.
  if (found !== count) throw countFault(target, count, found);
  const { kind, bytes } = datatypes[target.datatype];
  const data = new Uint8Array(count * bytes);
  const write = { bool: boolWriter, long: longWriter, integer: integerWriter }[
    kind as "bool" | "long" | "integer"
  ](data, target);
  readVarints(varints, write);
  return data;
}

/** Each ends with a byte below 128. */
function countVarints(varints: Bytes): number {
  let count = 0;
  for (let at = 0; at < varints.byteLength; at++) if ((varints[at] ?? 0) < 128) count++;
  if ((varints.at(-1) ?? 0) >= 128) throw broken();
  return count;
}

/** Two words instead of a bigint, which would cost twenty times as much. */
function readVarints(varints: Bytes, write: Write): void {
  let index = 0;
  for (let at = 0; at < varints.byteLength; index++) {
    let byte = varints[at++] ?? 0;
    let low = byte & 127;
    let high = 0;
    for (let shift = 7; byte >= 128; shift += 7) {
      if (shift > 63) throw broken();
      byte = varints[at++] ?? 0;
      const seven = byte & 127;
      if (shift < 32) low |= seven << shift;
      if (shift > 28) high |= seven << (shift - 32);
      else if (shift === 28) high = seven >>> 4;
    }
    write(index, low, high);
  }
}

function boolWriter(data: Bytes): Write {
  return (index, low, high) => {
    data[index] = (low | high) === 0 ? 0 : 1;
  };
}

function longWriter(data: Bytes): Write {
  const words = new Int32Array(data.buffer);
  return (index, low, high) => {
    words[2 * index] = low;
    words[2 * index + 1] = high;
  };
}

function integerWriter(data: Bytes, target: Target): Write {
  const { min, max } = datatypes[target.datatype];
  const view = viewOf({ datatype: target.datatype, data }) as number[];
  const signed = min < 0;
  return (index, low, high) => {
    const value = signed ? low : low >>> 0;
    if (high !== (signed ? low >> 31 : 0) || value < min || value > max) {
      throw elementFault(target, index, wide(low, high, signed));
    }
    view[index] = value;
  };
}

/** For the message. */
function wide(low: number, high: number, signed: boolean): bigint {
  const value = (BigInt(high) << 32n) | BigInt(low >>> 0);
  return signed ? value : BigInt.asUintN(64, value);
}
