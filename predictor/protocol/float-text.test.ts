import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { encodeFloat32s } from "./float-text.ts";

/** The same bit patterns in every run, by xorshift32: all FP32s are as likely. */
function* patterns(count: number): Generator<number> {
  const word = new Uint32Array([1]);
  const float = new Float32Array(word.buffer);
  let state = 1;
  for (let made = 0; made < count; made++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    word[0] = state;
    yield float[0] ?? 0;
  }
}

/** Numbers of a few digits, as they come in tables, and those beside powers of ten. */
function* ordinary(): Generator<number> {
  for (let exponent = -12; exponent < 7; exponent++) {
    for (let digits = 1; digits < 400; digits++) yield Math.fround(digits * 10 ** exponent);
    for (const near of [0.999_999_94, 0.999_999_9, 1.000_000_1]) yield near * 10 ** exponent;
  }
}

/** Significant digits of a decimal. */
function digitsOf(text: string): number {
  const [mantissa = ""] = text.replace("-", "").split("e");
  return mantissa.replace(".", "").replace(/^0+/, "").replace(/0+$/, "").length;
}

function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return digitsOf(text);
  }
  return 9;
}

describe("encodeFloat32s", () => {
  for (const [value, text] of [
    [0.1, "0.1"],
    [-0.97, "-0.97"],
    [1234.5, "1234.5"],
    [100, "100"],
    [0.000_001, "0.000001"],
    [0.000_000_25, "2.5e-7"],
    [1.5e-13, "1.5e-13"],
    [16_777_216, "16777216"],
    [3.402_823_466e38, "3.4028234663852886e+38"],
    [1e-45, "1.401298464324817e-45"],
    [0, "0"],
    [-0, "-0"],
    [Number.NaN, "null"],
    [-Infinity, "null"],
  ] as const) {
    it(`writes ${text}`, () => assert.equal(encodeFloat32s(Float32Array.of(value)), text));
  }

  it("gives the element back to who reads a double and rounds it", () => {
    const values = Float32Array.from([...patterns(200_000), ...ordinary()]);
    const read = JSON.parse(`[${encodeFloat32s(values)}]`) as (number | null)[];
    assert.equal(read.length, values.length);
    for (const [index, value] of values.entries()) {
      const back = read[index];
      if (Number.isFinite(value)) assert(Object.is(Math.fround(back ?? NaN), value), String(value));
      else assert.equal(back, null);
    }
  });

  it("writes no more digits than that takes, in JavaScript's own form", () => {
    for (const value of [...patterns(40_000), ...ordinary()].map(Math.fround)) {
      const size = Math.abs(value);
      if (!(size >= 1e-13 && size < 16_777_216)) continue;
      const text = encodeFloat32s(Float32Array.of(value));
      assert.equal(text, String(Number(text)));
      assert(digitsOf(text) <= shortest(value), text);
    }
  });

  it("writes as many as there are", () => {
    const many = Float32Array.from({ length: 50_000 }, (_, index) => index / 7);
    const read = JSON.parse(`[${encodeFloat32s(many)}]`) as number[];
    assert.deepEqual(Float32Array.from(read), many);
    assert.equal(encodeFloat32s(new Float32Array(0)), "");
  });
});
