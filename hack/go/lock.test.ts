import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { withLock } from "./lock.ts";
import { identifyProcess } from "./process-id.ts";

describe("withLock", () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pllock-"));
    path = join(folder, "lock");
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it("lets one in at a time and says whom the others wait for", async () => {
    let inside = 0;
    let most = 0;
    const waited: number[] = [];
    const othersWait = Promise.withResolvers<void>();
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      if (inside > 1) othersWait.resolve();
      // Whoever came after the work's end would find the lock free, and wait for nobody.
      await othersWait.promise;
      inside -= 1;
    };
    const onWait = ({ pid }: { pid: number }): void => {
      waited.push(pid);
      if (waited.length === 2) othersWait.resolve();
    };
    await Promise.all([1, 2, 3].map(async () => withLock(path, work, { onWait })));
    assert.equal(most, 1);
    assert.deepEqual(waited, [process.pid, process.pid]);
    assert.deepEqual(await readdir(folder), [], "nothing is left");
  });

  it("lets go of it when the work fails", async () => {
    const work = async (): Promise<never> => {
      throw new Error("work failed");
    };
    await assert.rejects(withLock(path, work), /work failed/);
    assert.equal(await withLock(path, async () => "free"), "free");
  });

  it("takes over from a process that is gone", async () => {
    const gone = { pid: process.pid, startTicks: "1" };
    await writeFile(path, JSON.stringify(gone));
    assert.equal(await withLock(path, async () => "mine"), "mine");
    assert.deepEqual(await readdir(folder), []);
  });

  it("takes over a lock that names nobody", async () => {
    await writeFile(path, "");
    assert.equal(await withLock(path, async () => "mine"), "mine");
  });

  it("gives up on a holder that lives, and names him", async () => {
    await writeFile(path, JSON.stringify(identifyProcess(process.pid)));
    await assert.rejects(
      withLock(path, async () => "never", { timeoutMs: 0 }),
      new RegExp(`is held by process ${process.pid}: wait for it, or end it`),
    );
    assert.deepEqual(await readdir(folder), ["lock"], "the holder keeps it");
  });
});
