import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";
import { systemClock } from "../batch/port.ts";
import { makeFolder } from "../storage/testing/folder.ts";
import { SupervisedThread } from "./supervised.ts";

describe("a thread", () => {
  it("that never has loaded is a failed load, and is ended", async () => {
    await using folder = await makeFolder();
    const path = join(folder.path, "handler.js");
    await writeFile(path, "export function load() { for (;;); }");
    const model = { name: "m", version: "1", folder: folder.path };
    const thread = new SupervisedThread({
      name: "hooks",
      load: () => ({ type: "load", path, model }),
      loadTimeoutMs: 500,
      respawns: true,
      clock: systemClock,
      receive: () => {},
      lost: () => {},
      onRestart: () => {},
    });
    const failed = { name: "LoadFailed", message: "loading took longer than 500 ms" };
    await assert.rejects(thread.open(""), failed);
    assert.equal(thread.ready, false);
  });
});
