import assert from "node:assert/strict";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";

import { inFolder } from "../storage/testing/folder.ts";
import { localDigest } from "./local-digest.ts";

describe("the digest of a model that lies on this machine", () => {
  it("is another one when a file was written anew, and not before", () =>
    inFolder(async (folder) => {
      const file = join(folder, "1", "model.onnx");
      await mkdir(join(folder, "1"));
      await writeFile(file, "one");
      await utimes(file, 1000, 1000);
      const first = await localDigest(folder);
      assert.match(first ?? "", /^sha256:/);
      assert.equal(await localDigest(folder), first);
      await mkdir(join(folder, ".pilotlight"));
      await writeFile(join(folder, ".pilotlight", "lock"), "");
      assert.equal(await localDigest(folder), first, "hidden names are no part of a model");
      await writeFile(file, "two");
      await utimes(file, 2000, 2000);
      assert.notEqual(await localDigest(folder), first);
      assert.match((await localDigest(file)) ?? "", /^sha256:/);
    }));

  it("is nothing where nothing can be read: the load says why", async () => {
    assert.equal(await localDigest("/nowhere/at/all"), undefined);
  });
});
