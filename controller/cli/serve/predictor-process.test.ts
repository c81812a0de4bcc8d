import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, it } from "mocha";
import { PredictorProcess } from "./predictor-process.ts";
import { planOf } from "./testing/plans.ts";

const SERVER = fileURLToPath(new URL("testing/contract-server.ts", import.meta.url));

describe("PredictorProcess", () => {
  let folder: string;
  const output: string[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "pilotlight-test-"));
    output.splice(0);
  });

  afterEach(async () => await rm(folder, { recursive: true, force: true }));

  function launch(args: readonly string[], program = SERVER): PredictorProcess {
    return new PredictorProcess({
      plan: planOf({ args }),
      replica: 1,
      program,
      folder,
      env: {},
      onOutput: (line) => output.push(line),
    });
  }

  it("is ready, takes requests, ends with SIGTERM, and leaves no file", async () => {
    const process = launch([]);
    await process.ready;
    const { body } = await process.dispatcher.request({ path: "/v2/health/ready", method: "GET" });
    await body.dump();
    process.terminate(60_000, () => assert.fail("it was not to be killed"));
    assert.deepEqual(await process.ended, { exitCode: 0, signal: undefined, lastWords: "" });
    assert.deepEqual(await readdir(folder), []);
  });

  it("is killed when it stays longer than its grace", async () => {
    const process = launch(["--stay-ms", "60000"]);
    await process.ready;
    let killed = 0;
    process.terminate(100, () => killed++);
    process.terminate(1, () => assert.fail("the second call does nothing"));
    const { signal } = await process.ended;
    assert.deepEqual([signal, killed], ["SIGKILL", 1]);
  });

  it("never becomes ready when it ends before, and has last words", async () => {
    const process = launch(["--fail", "66:  nothing there\n"]);
    void process.ready.then(() => assert.fail("it was never ready"));
    const ending = await process.ended;
    assert.deepEqual(ending, { exitCode: 66, signal: undefined, lastWords: "nothing there" });
  });

  it("has the end of its standard error for last words when it wrote no others", async () => {
    const process = launch(["--no-such-flag"]);
    const { exitCode, lastWords } = await process.ended;
    assert.equal(exitCode, 1);
    assert.match(lastWords, /Unknown option '--no-such-flag'/);
    assert.ok(output.length > 0);
  });

  it("ends without a start when it is told to before", async () => {
    const process = launch([]);
    process.terminate(1, () => assert.fail("there is nothing to kill"));
    assert.deepEqual(await process.ended, { exitCode: 0, signal: undefined, lastWords: "" });
    assert.equal(process.pid, 0);
  });

  it("says why it could not be started", async () => {
    await rm(folder, { recursive: true });
    const { exitCode, lastWords } = await launch([]).ended;
    assert.equal(exitCode, undefined);
    assert.match(lastWords, /ENOENT.*mkdtemp/);
  });
});
