import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { HASHED_BYTES_MAX } from "../storage/contents.ts";
import { inFolder } from "../storage/testing/folder.ts";
import { localDigest } from "./local-digest.ts";

describe("the digest of a model that lies on this machine", () => {
  for (const isShared of [true, false]) {
    it(`is another one when a file was written anew, ${isShared ? "on a claim" : "elsewhere"}`, () =>
      inFolder(async (folder) => {
        const file = join(folder, "1", "model.onnx");
        await mkdir(join(folder, "1"));
        await writeFile(file, "one");
        await utimes(file, 1000, 1000);
        const first = await localDigest(folder, isShared);
        assert.match(first ?? "", /^sha256:[0-9a-f]{64}$/);
        await mkdir(join(folder, ".pilotlight"));
        await writeFile(join(folder, ".pilotlight", "lock"), "");
        const again = await localDigest(folder, isShared);
        assert.equal(again, first, "hidden names are no part of a model");
        await writeFile(file, "two");
        await utimes(file, 2000, 2000);
        assert.notEqual(await localDigest(folder, isShared), first);
      }));
  }

  it("is that of the bytes where each pod may have files of its own, as sha256sum has it", () =>
    inFolder(async (folder) => {
      const file = join(folder, "model.onnx");
      await writeFile(file, "one");
      const want = `sha256:${createHash("sha256").update("one").digest("hex")}`;
      for (const seconds of [1000, 2000]) {
        await utimes(file, seconds, seconds);
        assert.equal(await localDigest(file, false), want);
      }
    }));

  it("is nothing where it would cost a start to know", () =>
    inFolder(async (folder) => {
      const file = join(folder, "model.onnx");
      await writeFile(file, "");
      await truncate(file, HASHED_BYTES_MAX + 1);
      assert.equal(await localDigest(folder, false), undefined);
      assert.match((await localDigest(folder, true)) ?? "", /^sha256:/);
    }));

  it("is nothing where nothing can be read: the load says why", async () => {
    assert.equal(await localDigest("/nowhere/at/all", false), undefined);
  });
});
