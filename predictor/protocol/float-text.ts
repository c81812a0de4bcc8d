/**
 * FP32 as decimal text: as few digits as name the value among all FP32s, as Python's orjson and
 * numpy write them. As a double, 0.1 would be 0.10000000149011612: twice the bytes, three times
 * the time, and no more truth.
 */

const comma = 0x2c;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;

/** The longest: sign, digit, point, eight digits, exponent; or what V8 writes of a double. */
const textBytesMax = 32;
const blockBytes = 16_384;
/** Lives as long as the thread: text is made block by block. */
const block = Buffer.allocUnsafeSlow(blockBytes);

/** Below 2^24 every integer is an FP32; from 10^-13 on, 10^22 is enough to scale by, exactly. */
const largest = 16_777_216;
const smallest = 1e-13;
/** Shorter numbers are these with zeros at their end. */
const fewestDigits = 6;
const mostDigits = 9;

const powers = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * The elements between commas. NaN and the infinities, which JSON lacks, are null. Each number read
 * as a double and rounded to an FP32 is the element again.
 */
export function encodeFloat32s(view: Float32Array): string {
  let text = "";
  let at = 0;
  for (let index = 0; index < view.length; index++) {
    if (at > blockBytes - textBytesMax) {
      text += block.toString("latin1", 0, at);
      at = 0;
    }
    if (index > 0) block[at++] = comma;
    at = put(view[index] ?? 0, at);
  }
  return text + block.toString("latin1", 0, at);
}

/** Writes one number into the block; returns where it ends. */
function put(value: number, start: number): number {
  let at = start;
  let rest = value;
  if (value < 0 || Object.is(value, -0)) {
    block[at++] = minus;
    rest = -value;
  }
  if (rest < largest && rest === Math.trunc(rest)) return putDecimal(rest, 0, at);
  if (rest < smallest || !(rest < largest)) return putText(value, start);
  const exponent = exponentOf(rest);
  for (let digits = Math.max(fewestDigits, exponent + 1); digits <= mostDigits; digits++) {
    const places = digits - 1 - exponent;
    const scale = powers[places] ?? 1;
    const scaled = Math.round(rest * scale);
    if (Math.fround(scaled / scale) === rest) return putDecimal(scaled, places, at);
  }
  return putText(value, start);
}

/** Of the first digit: 10^exponent <= value < 10^(exponent + 1). */
function exponentOf(value: number): number {
  let exponent = 0;
  if (value >= 1) {
    while (value >= (powers[exponent + 1] ?? Infinity)) exponent++;
    return exponent;
  }
  do exponent--;
  while (value * (powers[-exponent] ?? 1) < 1);
  return exponent;
}

/** scaled / 10^places, as JavaScript would write it. */
function putDecimal(scaled: number, places: number, start: number): number {
  let digits = scaled;
  let fraction = places;
  while (fraction > 0 && digits % 10 === 0) {
    digits = (digits / 10) | 0;
    fraction--;
  }
  const count = countOf(digits);
  if (count - fraction <= -6) return putExponential(digits, fraction, start);
  const whole = Math.max(1, count - fraction);
  const end = start + whole + (fraction > 0 ? 1 : 0) + fraction;
  let at = end;
  for (let left = fraction; left > 0; left--) {
    block[--at] = zero + (digits % 10);
    digits = (digits / 10) | 0;
  }
  if (fraction > 0) block[--at] = point;
  while (at > start) {
    block[--at] = zero + (digits % 10);
    digits = (digits / 10) | 0;
  }
  return end;
}

/** digits / 10^fraction with one digit before the point. */
function putExponential(digits: number, fraction: number, start: number): number {
  const text = String(digits);
  const tail = text.length > 1 ? `.${text.slice(1)}` : "";
  return start + block.write(`${text[0]}${tail}e-${fraction - text.length + 1}`, start, "latin1");
}

/** As V8 writes a double: for what is too large or too small to scale, and for what JSON lacks. */
function putText(value: number, start: number): number {
  return start + block.write(Number.isFinite(value) ? String(value) : "null", start, "latin1");
}

function countOf(digits: number): number {
  let count = 1;
  while (digits >= (powers[count] ?? Infinity)) count++;
  return count;
}
