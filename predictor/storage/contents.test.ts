import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { contentsDigest, loneDigest } from "./contents.ts";

const ONE = { path: "1/model.onnx", state: "etag:a" };
const TWO = { path: "2/model.onnx", state: "md5:b" };
const HEX = "0123456789abcdef".repeat(4);

describe("the digest of a model", () => {
  const different: readonly [string, Parameters<typeof contentsDigest>[0]][] = [
    ["another state", [{ ...ONE, state: "etag:c" }, TWO]],
    ["another path", [{ ...ONE, path: "3/model.onnx" }, TWO]],
    ["a file less", [ONE]],
    [
      "states that changed places",
      [
        { ...ONE, state: TWO.state },
        { ...TWO, state: ONE.state },
      ],
    ],
  ];
  for (const [why, files] of different) {
    it(`is another one for ${why}`, () => {
      assert.notEqual(contentsDigest(files), contentsDigest([ONE, TWO]));
    });
  }

  it("does not depend on the order in which a store lists", () => {
    assert.equal(contentsDigest([TWO, ONE]), contentsDigest([ONE, TWO]));
    assert.match(contentsDigest([ONE, TWO]), /^sha256:[0-9a-f]{64}$/);
  });

  it("is a lone file's own SHA-256 where the store tells it, as sha256sum does", () => {
    assert.equal(loneDigest({ algorithm: "sha256", hex: HEX }, "tag"), `sha256:${HEX}`);
    assert.notEqual(loneDigest({ algorithm: "md5", hex: HEX }, "tag"), `sha256:${HEX}`);
  });

  it("is nothing where the store tells nothing", () => {
    assert.equal(loneDigest(undefined, undefined), undefined);
  });
});
