import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { BodyBuffer } from "./body-buffer.ts";
import type { Body } from "./body-buffer.ts";

/** Memory of its own, as the HTTP parser's chunks have. */
function chunkOf(bytes: number, value: number): Body {
  return Buffer.allocUnsafeSlow(bytes).fill(value);
}

const parts = [40_000, 1, 65_536, 0, 100_000, 7];
const total = parts.reduce((sum, each) => sum + each, 0);

describe("a body, put together", () => {
  const rows = [
    { why: "of the announced length", expected: total },
    { why: "without a length", expected: Number.NaN },
    { why: "shorter than announced", expected: 10 * total },
    { why: "longer than announced", expected: 100 },
  ];
  for (const { why, expected } of rows) {
    it(`is what came, ${why}`, () => {
      const body = new BodyBuffer(expected);
      for (const [index, bytes] of parts.entries()) body.add(chunkOf(bytes, index + 1));
      const wanted = Buffer.concat(parts.map((bytes, index) => chunkOf(bytes, index + 1)));
      assert.equal(body.byteLength, total);
      assert(body.whole().equals(wanted));
    });
  }

  it("is the chunk itself when one is all", () => {
    for (const expected of [50_000, Number.NaN]) {
      const chunk = chunkOf(50_000, 1);
      const body = new BodyBuffer(expected);
      body.add(chunk);
      assert.equal(body.whole(), chunk);
    }
  });

  it("frees each chunk of several", () => {
    const chunks = [chunkOf(40_000, 1), chunkOf(40_000, 2)];
    const body = new BodyBuffer(80_000);
    for (const chunk of chunks) body.add(chunk);
    assert.deepEqual(
      chunks.map((chunk) => chunk.byteLength),
      [0, 0],
    );
  });

  it("leaves a chunk alone that is a part of something larger", () => {
    const larger = chunkOf(100_000, 1);
    const body = new BodyBuffer(80_000);
    body.add(larger.subarray(0, 40_000));
    body.add(larger.subarray(40_000, 80_000));
    assert.equal(larger.byteLength, 100_000);
    assert.equal(body.whole().byteLength, 80_000);
  });

  it("reserves no more than a mebibyte because a client says so", () => {
    const body = new BodyBuffer(1e12);
    body.add(chunkOf(10, 1));
    assert.equal(body.whole().buffer.byteLength, 1024 * 1024);
  });

  it("is empty without chunks, and after it was cleared", () => {
    const body = new BodyBuffer(Number.NaN);
    assert.equal(body.whole().byteLength, 0);
    body.add(chunkOf(10, 1));
    body.clear();
    assert.equal(body.whole().byteLength, 0);
    assert.equal(body.byteLength, 0);
  });
});
