import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { jsonLines, readText } from "./body.ts";
import { DecodeError } from "./errors.ts";

async function* chunked(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (let at = 0; from < bytes.length; at += 1) {
    const size = sizes[at % sizes.length] ?? 1;
    yield bytes.subarray(from, from + size);
    from += size;
  }
}

async function collect(text: string, sizes: readonly number[], max = 1e6): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of jsonLines(chunked(Buffer.from(text), sizes), max)) values.push(value);
  return values;
}

describe("jsonLines", () => {
  it("gives the same values however the bytes are cut", async () => {
    const values = fc.array(
      fc.record({ note: fc.string({ unit: "grapheme" }) }, { noNullPrototype: true }),
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(values, sizes, async (given, cut) => {
        const text = given.map((value) => `${JSON.stringify(value)}\n`).join("");
        assert.deepEqual(await collect(text, cut), given);
      }),
    );
  });

  const rows = [
    { text: '{"a":1}\n{"b":', why: "the end cut a line off", error: /ended within a line/ },
    { text: '{"a":1}\nnope\n', why: "a line is no JSON", error: /not JSON/ },
    { text: `"${"x".repeat(50)}"\n`, why: "a line is too long", error: /longer than 40/ },
    { text: `"${"x".repeat(50)}`, why: "a line is too long before its end", error: /longer than/ },
  ];
  for (const { text, why, error } of rows) {
    it(`fails when ${why}`, async () => {
      await assert.rejects(collect(text, [7], 40), (thrown: Error) => {
        assert(thrown instanceof DecodeError);
        assert.match(thrown.message, error);
        return true;
      });
    });
  }
});

describe("readText", () => {
  it("reads no more than it may", async () => {
    const bytes = Buffer.from("0123456789");
    assert.equal(await readText(chunked(bytes, [3]), 10), "0123456789");
    await assert.rejects(readText(chunked(bytes, [3]), 9), DecodeError);
  });
});
