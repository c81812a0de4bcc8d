import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { memberSource } from "./json-text.ts";

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
