import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { nearest } from "./nearest.ts";

describe("nearest", () => {
  const known = ["minReplicas", "maxReplicas", "scaleTarget", "timeout"];
  const rows = [
    { word: "minReplica", want: "minReplicas", why: "a letter is missing" },
    { word: "MINREPLICAS", want: "minReplicas", why: "case does not count" },
    { word: "scaletarge", want: "scaleTarget", why: "both at once" },
    { word: "timeuot", want: "timeout", why: "two letters changed places" },
    { word: "volumes", want: undefined, why: "nothing is like it" },
    { word: "", want: undefined, why: "nothing was said" },
  ];
  for (const { word, want, why } of rows) {
    it(`${JSON.stringify(word)} → ${want}: ${why}`, () => {
      assert.equal(nearest(word, known), want);
    });
  }
});
