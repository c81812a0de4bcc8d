import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { bfloat16Max, fromBFloat16, narrow, toBFloat16 } from "./bfloat16.ts";

const hex = (word: number): string => word.toString(16).padStart(4, "0");

describe("bfloat16", () => {
  const rows: readonly (readonly [value: number, word: string, why: string])[] = [
    [0, "0000", "zero"],
    [-0, "8000", "its sign"],
    [1, "3f80", "exact"],
    [-2.5, "c020", "exact, negative"],
    [0.1, "3dcd", "to the nearest, up"],
    [1 / 3, "3eab", "to the nearest, up"],
    [1 + 2 ** -8, "3f80", "in the middle: to the even one, down"],
    [1 + 3 * 2 ** -8, "3f82", "in the middle: to the even one, up"],
    [1 + 2 ** -8 + 2 ** -40, "3f81", "above the middle by less than a float32 tells"],
    [1 + 3 * 2 ** -8 - 2 ** -40, "3f81", "below it by as little"],
    [-1 - 2 ** -8 - 2 ** -40, "bf81", "the same below zero"],
    [2 ** -133, "0001", "the smallest"],
    [2 ** -135, "0000", "less than half of it"],
    [bfloat16Max, "7f7f", "the largest that rounds to something finite"],
    [2 ** 128 - 2 ** 119, "7f80", "the next rounds to infinity"],
    [-Infinity, "ff80", "infinity"],
    [Number.NaN, "7fc0", "NaN"],
  ];
  for (const [value, word, why] of rows) {
    it(`${value} is ${word}: ${why}`, () => assert.equal(hex(toBFloat16(value)), word));
  }

  it("widened and narrowed again, every word is itself; a NaN stays one", () => {
    const words = Uint16Array.from({ length: 65_536 }, (_, index) => index);
    const wide = fromBFloat16(words);
    const again = narrow(wide);
    for (const [index, word] of words.entries()) {
      if (Number.isNaN(wide[index])) assert.ok(Number.isNaN(fromBFloat16([again[index] ?? 0])[0]));
      else assert.equal(again[index], word);
    }
  });

  it("is never farther off than a neighbour would be", () => {
    const nearby = fc.double({ min: -3e38, max: 3e38, noNaN: true });
    fc.assert(
      fc.property(nearby, (value) => {
        const word = toBFloat16(value);
        const [own = 0, ...neighbours] = fromBFloat16([word, word - 1, word + 1]);
        for (const other of neighbours) {
          if (Number.isFinite(other) && Math.sign(other) === Math.sign(own)) {
            assert.ok(Math.abs(value - own) <= Math.abs(value - other));
          }
        }
      }),
    );
  });
});
