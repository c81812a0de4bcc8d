import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { inOneLine } from "./in-one-line.ts";

describe("inOneLine", () => {
  it("joins what a failed command said to its exit code", () => {
    const message = "helm install: exit code 1\n\n  Error: INSTALLATION FAILED:\n  no such host\n";
    assert.equal(
      inOneLine(message),
      "helm install: exit code 1 | Error: INSTALLATION FAILED: | no such host",
    );
  });

  it("keeps the beginning and the end of a long one", () => {
    const line = inOneLine(`begins\n${"x".repeat(5000)}\nends`);
    assert.match(line, /^begins \| x+ \.\.\. x+ \| ends$/);
    assert.equal(line.length, 1005);
  });
});
