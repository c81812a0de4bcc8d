import assert from "node:assert/strict";
import { describe, it } from "mocha";
import * as der from "./der.ts";

describe("der", () => {
  const cases: readonly { why: string; got: Buffer; want: string }[] = [
    {
      why: "numbers from 128 on take more than a byte",
      got: der.objectId("1.2.840.10045.4.3.2"),
      want: "06082a8648ce3d040302",
    },
    {
      why: "an integer keeps its sign bit clear",
      got: der.integer(Buffer.from([0x80])),
      want: "02020080",
    },
    { why: "a small integer needs no more", got: der.integer(Buffer.from([0x7f])), want: "02017f" },
    { why: "true is all ones", got: der.boolean(true), want: "0101ff" },
    {
      why: "unused bits are counted first",
      got: der.bitString(Buffer.from([6]), 1),
      want: "03020106",
    },
    {
      why: "a context tag in place of a primitive's",
      got: der.context(7, Buffer.from([1]), false),
      want: "870101",
    },
    {
      why: "a context tag around a value",
      got: der.context(0, der.integer(Buffer.from([2]))),
      want: "a003020102",
    },
    {
      why: "times have no fraction",
      got: der.generalizedTime(new Date("2026-03-04T05:06:07.890Z")),
      want: `180f${Buffer.from("20260304050607Z").toString("hex")}`,
    },
  ];
  for (const { why, got, want } of cases) {
    it(why, () => {
      assert.equal(got.toString("hex"), want);
    });
  }

  it("lengths from 128 on say how many bytes they take", () => {
    assert.equal(der.octetString(Buffer.alloc(127)).subarray(0, 2).toString("hex"), "047f");
    assert.equal(der.octetString(Buffer.alloc(128)).subarray(0, 3).toString("hex"), "048180");
    assert.equal(der.octetString(Buffer.alloc(256)).subarray(0, 4).toString("hex"), "04820100");
  });
});
