import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { formatDuration, parseDurationMs } from "./duration.ts";

describe("duration", () => {
  const texts: [text: string, ms: number | undefined][] = [
    ["60s", 60_000],
    ["60", 60_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["500ms", 500],
    ["1m500ms", 60_500],
    ["", undefined],
    ["s", undefined],
    ["-1s", undefined],
    ["1 s", undefined],
    ["1d", undefined],
    ["1s2", undefined],
  ];
  for (const [text, ms] of texts) {
    it(`${JSON.stringify(text)} is ${ms} ms`, () => {
      assert.equal(parseDurationMs(text), ms);
    });
  }

  const times: [ms: number, text: string][] = [
    [0, "0.00 s"],
    [354, "0.35 s"],
    [12_340, "12.3 s"],
    [60_000, "60 s"],
    [119_000, "119 s"],
    [120_000, "2 min"],
    [150_400, "2 min 30 s"],
  ];
  for (const [ms, text] of times) {
    it(`${ms} ms is written ${text}`, () => {
      assert.equal(formatDuration(ms), text);
    });
  }
});
