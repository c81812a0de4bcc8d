import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { isNewer } from "./resource-version.ts";

describe("isNewer", () => {
  const rows = [
    { a: "10", b: "9", newer: true, why: "integers, not text" },
    { a: "9", b: "10", newer: false, why: "integers, not text" },
    { a: "7", b: "7", newer: false, why: "the same is not newer" },
    { a: "99999999999999999999", b: "99999999999999999998", newer: true, why: "beyond 2^53" },
    { a: "x1", b: "x0", newer: true, why: "what has no order must not hide a change" },
    { a: "0", b: "0", newer: false, why: "equal text, whatever it is" },
  ];
  for (const { a, b, newer, why } of rows) {
    it(`${a} against ${b}: ${newer}, because: ${why}`, () => {
      assert.equal(isNewer(a, b), newer);
    });
  }

  it("orders integers as integers", () => {
    const version = fc.bigInt({ min: 1n, max: 10n ** 30n });
    fc.assert(fc.property(version, version, (a, b) => isNewer(String(a), String(b)) === a > b));
  });
});
