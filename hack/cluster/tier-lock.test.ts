/** Real runs of the tier, none of which gets as far as a cluster. */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, it } from "mocha";

const ROOT = join(import.meta.dirname, "../..");

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe("the cluster tier", function () {
  // Programs are started, and the machine may be busy with other things.
  this.timeout(60_000);

  let folder: string;

  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "pilotlight-tier-"))));
  afterEach(async () => await rm(folder, { recursive: true, force: true }));

  function start(words: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
    return spawn(process.execPath, words, {
      cwd: ROOT,
      env: { HOME: folder, XDG_CACHE_HOME: folder, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  async function ended(child: ChildProcess): Promise<Ended> {
    assert.ok(child.stdout !== null && child.stderr !== null);
    const exited = once(child, "exit") as Promise<[number | null]>;
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { code, out, err };
  }

  /** Without Go, whose absence is noticed once the tier is under way, and is no failure. */
  const tier = async (): Promise<Ended> =>
    ended(start(["hack/test.ts", "cluster"], { PATH: folder }));

  const down = async (): Promise<Ended> =>
    // Of a cluster that is not this checkout's: where nothing is refused, nothing is ended either.
    ended(start(["hack/cluster/main.ts", "down"], { PILOTLIGHT_CLUSTER: "kubeconfig" }));

  it("runs once at a time; the next one says whose turn it is, until that one is gone", async () => {
    // A tier that is under way for as long as it asks this Go which version it is.
    const started = join(folder, "started");
    const answer = join(folder, "answer");
    assert.equal(spawnSync("mkfifo", [started, answer]).status, 0);
    const go = `#!/bin/sh\necho $$ > "${started}"\nread _ < "${answer}"\nexit 1\n`;
    await writeFile(join(folder, "go"), go, { mode: 0o755 });
    const first = start(["hack/test.ts", "cluster"], {
      PATH: folder,
      PILOTLIGHT_CLUSTER: "kubeconfig",
    });
    const firstEnded = once(first, "exit");
    const asked = Number(await readFile(started, "utf8"));
    await rm(join(folder, "go"));
    try {
      const words =
        `process ${first.pid} runs the cluster tier of this checkout, which has one cluster: ` +
        `wait until it ends, or end it with kill ${first.pid}\n`;
      assert.deepEqual(await tier(), { code: 75, out: "", err: words });
      assert.deepEqual(await down(), { code: 1, out: "", err: words });
    } finally {
      first.kill("SIGKILL");
      await firstEnded;
      process.kill(asked, "SIGKILL");
    }
    const locks = join(folder, "pilotlight/clusters");
    assert.equal((await readdir(locks)).length, 1, "it could not let go");
    const next = await tier();
    assert.equal(next.code, 0, next.err);
    assert.match(next.out, /\n0 passed, 0 failed, 1 skipped\n$/);
    assert.deepEqual(await readdir(locks), [], "and leaves nothing behind");
    assert.equal((await down()).code, 0);
  });
});
