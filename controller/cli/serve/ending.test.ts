import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { backoffMs, failureOf, wordsOf, type Ending } from "./ending.ts";

describe("failureOf", () => {
  const rows: { ending: Partial<Ending>; reason: string; message: string }[] = [
    {
      ending: { exitCode: 66, lastWords: "no model at /models" },
      reason: "ModelNotFound",
      message: "no model at /models (exit code 66)",
    },
    {
      ending: { exitCode: 77 },
      reason: "StorageAccessDenied",
      message: "storage refused the credentials (exit code 77)",
    },
    {
      ending: { exitCode: 1, lastWords: "SyntaxError" },
      reason: "Crashed",
      message: "SyntaxError (exit code 1)",
    },
    {
      ending: { exitCode: 0 },
      reason: "Ended",
      message: "it ended without being asked to (exit code 0)",
    },
    {
      ending: { signal: "SIGKILL" },
      reason: "Crashed",
      message: "killed by SIGKILL, perhaps for lack of memory",
    },
    {
      ending: { signal: "SIGSEGV", lastWords: "core dumped" },
      reason: "Crashed",
      message: "killed by SIGSEGV: core dumped",
    },
    {
      ending: { lastWords: "spawn ENOMEM" },
      reason: "NotStarted",
      message: "spawn ENOMEM",
    },
  ];
  for (const { ending, reason, message } of rows) {
    it(`${JSON.stringify(ending)} is ${reason}`, () => {
      const whole = { exitCode: undefined, signal: undefined, lastWords: "", ...ending };
      assert.deepEqual(failureOf(whole), { reason, message });
    });
  }
});

describe("backoffMs", () => {
  it("doubles from a second up to a minute, and is nothing for no failure", () => {
    const waits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 1000].map(backoffMs);
    assert.deepEqual(waits, [0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });
});

describe("wordsOf", () => {
  it("finds the error among the lines of a stack trace", () => {
    const lines = ["file.ts:1", "", "RangeError [ERR_X]: too far", "    at f (file.ts:1)", "}"];
    assert.equal(wordsOf(lines), "RangeError [ERR_X]: too far");
  });

  it("takes the last lines where there is no error", () => {
    assert.equal(wordsOf(["1", "2", "3", "4", "5", "6", ""]), "3\n4\n5\n6");
    assert.equal(wordsOf([]), "");
  });
});
