import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { memberSource, readExactly } from "./json-text.ts";

describe("the source of a member", () => {
  const deep = `${"[".repeat(1e5)}${"]".repeat(1e5)}`;
  const rows: { why: string; text: string; source: string | undefined }[] = [
    { why: "a number as it was written", text: '{"data":1.50e0}', source: "1.50e0" },
    {
      why: "beyond 2^53",
      text: '{ "a":1 ,"data" : [9007199254740993] }',
      source: "[9007199254740993]",
    },
    { why: "of two the last", text: '{"data":1,"data":2}', source: "2" },
    { why: "a name in escapes", text: String.raw`{"d\u0061ta":3}`, source: "3" },
    { why: "only of the object itself", text: '{"a":{"data":1}}', source: undefined },
    {
      why: "behind a string with braces",
      text: '{"a":"}\\"{\\\\","data":"x\\\\"}',
      source: '"x\\\\"',
    },
    { why: "nothing in nothing", text: " {} ", source: undefined },
    { why: "nested to any depth", text: `{"b":${deep},"data":${deep}}`, source: deep },
  ];
  for (const { why, text, source } of rows) {
    it(why, () => assert.equal(memberSource(text, "data"), source));
  }

  it("is what JSON.parse makes of it, whatever else the object holds", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (others, data) => {
        for (const space of [0, 2]) {
          const text = JSON.stringify({ ...others, data, z: 1 }, undefined, space);
          const { data: parsed } = JSON.parse(text) as { data: unknown };
          assert.deepEqual(JSON.parse(memberSource(text, "data") ?? "0"), parsed);
        }
      }),
    );
  });
});

describe("an exact reading", () => {
  const rows: { why: string; text: string; value: unknown }[] = [
    { why: "whole, beyond 2^53", text: "[9007199254740993]", value: [9007199254740993n] },
    { why: "and below -2^53", text: "-9007199254740993", value: -9007199254740993n },
    { why: "with a fraction of zeros", text: "9007199254740993.0", value: 9007199254740993n },
    { why: "with a point in the middle", text: "9.007199254740993e15", value: 9007199254740993n },
    { why: "with a negative power", text: "90071992547409930E-1", value: 9007199254740993n },
    { why: "with a power alone", text: "1e18", value: 10n ** 18n },
    { why: "no whole number", text: "9007199254740993.5", value: 9007199254740994 },
    { why: "zeros before it", text: "0.00000000000000001e35", value: 10n ** 18n },
    { why: "beyond all integers", text: "[1e30,1e400]", value: [1e30, Number.POSITIVE_INFINITY] },
    { why: "a hundred digits", text: "1".repeat(100), value: Number("1".repeat(100)) },
    { why: "small ones as numbers", text: "[-0,1.5, 7]", value: [-0, 1.5, 7] },
    { why: "words", text: " [true,false,null] ", value: [true, false, null] },
  ];
  for (const { why, text, value } of rows) {
    it(why, () => assert.deepEqual(readExactly(text), value));
  }

  it("is that of JSON.parse where no number is large", () => {
    const small = fc.jsonValue().filter((value) => !/\d{16}|e\+/.test(JSON.stringify(value)));
    fc.assert(
      fc.property(small, fc.constantFrom(0, 3), (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        assert.deepEqual(readExactly(text), JSON.parse(text));
      }),
    );
    const odd = '{"__proto__":{"a":1},"b":2,"b":{"\\u0063":[]}}';
    assert.deepEqual(readExactly(odd), JSON.parse(odd));
  });

  it("ends at a depth that no tensor has", () => {
    const deep = `${"[".repeat(1e5)}${"]".repeat(1e5)}`;
    assert.throws(() => readExactly(deep), { code: "invalid", message: /deeper than 200/ });
  });
});
