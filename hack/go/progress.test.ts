import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { createProgress, formatElapsed } from "./progress.ts";

describe("progress", () => {
  it("says what starts, and how long it took", async () => {
    const lines: string[] = [];
    let now = 0;
    const progress = createProgress(
      (line) => lines.push(line),
      () => now,
    );
    now = 1000;
    const answer = await progress.step("build", async () => {
      now = 62_000;
      return 42;
    });
    assert.equal(answer, 42);
    assert.deepEqual(lines, ["[   1.0s] build ...", "[  1m02s] build: 1m01s"]);
  });

  it("says that a step failed and passes its error on", async () => {
    const lines: string[] = [];
    const progress = createProgress(
      (line) => lines.push(line),
      () => 0,
    );
    const failing = async (): Promise<never> => {
      throw new Error("no compiler");
    };
    await assert.rejects(progress.step("build", failing), /no compiler/);
    assert.equal(lines.at(-1), "[   0.0s] build: failed after 0.0s");
  });

  for (const [ms, want] of [
    [0, "0.0s"],
    [59_940, "59.9s"],
    [60_000, "1m00s"],
    [1_199_600, "20m00s"],
  ] as const) {
    it(`${ms} ms are ${want}`, () => {
      assert.equal(formatElapsed(ms), want);
    });
  }
});
