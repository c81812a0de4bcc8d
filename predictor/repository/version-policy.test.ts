import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { StorageError } from "../storage/storage-error.ts";
import { parseVersionPolicy, selectByPolicy } from "./version-policy.ts";

const found = ["1", "2", "10"].map((version) => ({ version }));

describe("version policies", () => {
  const rows: [text: string, served: string[]][] = [
    ["all", ["1", "2", "10"]],
    ["latest:1", ["10"]],
    ["latest:2", ["2", "10"]],
    ["latest:9", ["1", "2", "10"]],
    ["specific:1", ["1"]],
    ["specific:10,1", ["1", "10"]],
  ];
  for (const [text, served] of rows) {
    it(`${text} serves ${served.join()}`, () => {
      const policy = parseVersionPolicy(text);
      assert(policy);
      assert.deepEqual(
        selectByPolicy(found, policy).map(({ version }) => version),
        served,
      );
    });
  }
  it("a version that is asked for must be there", () => {
    assert.throws(
      () => selectByPolicy(found, { is: "specific", versions: ["2", "3"] }),
      (error: unknown) =>
        error instanceof StorageError && /version 3, the model has 1, 2, 10/.test(error.message),
    );
  });
  for (const text of ["", "latest", "latest:0", "latest:x", "specific:", "specific:1,", "newest"]) {
    it(`${JSON.stringify(text)} is none`, () => {
      assert.equal(parseVersionPolicy(text), undefined);
    });
  }
});
