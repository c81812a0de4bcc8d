import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { canonical } from "./canonical.ts";

/** What the text has been from the first release on. */
function reference(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

describe("canonical", () => {
  it("gives the text that lies in clusters as digests, for all JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.equal(canonical(value), reference(value));
      }),
    );
  });

  for (const [why, value, text] of [
    [
      "keys are sorted at every depth",
      { b: 1, a: { d: 1, c: [{ f: 1, e: 2 }] } },
      '{"a":{"c":[{"e":2,"f":1}],"d":1},"b":1}',
    ],
    [
      "numbers among keys come first, as numbers",
      { "10": 1, "9": 2, a: 3 },
      '{"9":2,"10":1,"a":3}',
    ],
    ["what is undefined is absent", { b: undefined, a: [undefined] }, '{"a":[null]}'],
    [
      "no key is special",
      JSON.parse('{"b":1,"__proto__":{"d":1,"c":2}}'),
      '{"__proto__":{"c":2,"d":1},"b":1}',
    ],
    ["capitals come before small letters", { a: 1, B: 2 }, '{"B":2,"a":1}'],
  ] as const) {
    it(why, () => {
      assert.equal(canonical(value), text);
      assert.equal(reference(value), text);
    });
  }
});
