import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { diagnose } from "./diagnose.ts";

describe("diagnose", () => {
  const rows: readonly { head: string; says: RegExp | undefined; why: string }[] = [
    { head: "\b\b\u0012\u0007pytorch", says: undefined, why: "begins like a model" },
    { head: "version https://git-lfs.github.com/spec/v1\noid", says: /git lfs pull/, why: "LFS" },
    { head: "\n<!DOCTYPE html><html>", says: /HTML page/, why: "a download page" },
    { head: "<html><body>404", says: /HTML page/, why: "an error page with status 200" },
    { head: '<?xml version="1.0"?><Error>', says: /XML document/, why: "a storage error" },
    { head: "PK\u0003\u0004", says: /is an archive/, why: "the wrong kind of archive" },
    { head: "\u001f\u008b\b", says: /is an archive/, why: "gzip where a model has to be" },
  ];
  for (const { head, says, why } of rows) {
    it(`judges ${why}`, () => {
      const found = diagnose(Buffer.from(head, "latin1"), head.length);
      if (says === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", says);
    });
  }

  it("judges an empty file", () => assert.match(diagnose(Buffer.alloc(0), 0) ?? "", /empty/));
});
