import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { mapSome } from "./gate.ts";

describe("some at a time", () => {
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };

  it("begins the next when one is done, and keeps the order of the answers", async () => {
    const begun: { each: string; end: (answer: string) => void; fail: (error: Error) => void }[] =
      [];
    const all = mapSome(["a", "b", "c", "d"], 2, async (each) => {
      const { promise, resolve: end, reject: fail } = Promise.withResolvers<string>();
      begun.push({ each, end, fail });
      return promise;
    });
    const names = (): string => begun.map(({ each }) => each).join("");
    assert.equal(names(), "ab");
    begun[1]?.end("B");
    await settled();
    assert.equal(names(), "abc");
    begun[0]?.end("A");
    begun[2]?.end("C");
    await settled();
    begun[3]?.end("D");
    assert.deepEqual(await all, ["A", "B", "C", "D"]);
  });

  it("begins no more once one has failed", async () => {
    let begun = 0;
    const all = mapSome(Array.from({ length: 100 }), 2, async () => {
      begun++;
      await Promise.resolve();
      throw new Error("no");
    });
    await assert.rejects(all, /^Error: no$/);
    await settled();
    assert.equal(begun, 2);
  });
});
