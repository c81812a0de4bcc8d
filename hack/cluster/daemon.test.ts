import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { identifyProcess, isAlive } from "../go/process-id.ts";
import {
  assertRunning,
  killProcess,
  signalProcess,
  startDaemon,
  stopProcess,
  type Daemon,
} from "./daemon.ts";
import { waitFor } from "./wait.ts";

describe("daemon", () => {
  let folder: string;
  let started: Daemon[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pldaemon-"));
    started = [];
  });

  afterEach(async () => {
    await Promise.all(started.map(killProcess));
    await rm(folder, { recursive: true });
  });

  const start = async (script: string, outlive = false): Promise<Daemon> => {
    const logPath = join(folder, "logs", "it.log");
    const spec = { name: "it", command: process.execPath, args: ["-e", script], logPath, outlive };
    const daemon = await startDaemon(spec);
    started.push(daemon);
    return daemon;
  };
  const logged = async (daemon: Daemon, text: string): Promise<void> => {
    const has = async (): Promise<true | undefined> =>
      (await readFile(daemon.logPath, "utf8")).includes(text) || undefined;
    await waitFor(`"${text}" is logged`, has, { timeoutMs: 10_000, intervalMs: 10 });
  };

  it("runs until it is stopped, and its output is in the log", async () => {
    const daemon = await start(
      "process.on('SIGTERM', () => { console.log('bye'); process.exit(); }); console.log('ready');" +
        "setInterval(() => {}, 1000)",
    );
    await logged(daemon, "ready");
    await assertRunning(daemon);
    await stopProcess(daemon);
    assert.equal(isAlive(daemon), false);
    assert.equal(await readFile(daemon.logPath, "utf8"), "ready\nbye\n");
  });

  it("is killed when it does not heed SIGTERM in time", async () => {
    const daemon = await start(
      "process.on('SIGTERM', () => console.log('no')); console.log('ready');" +
        "setInterval(() => {}, 1000)",
    );
    await logged(daemon, "ready");
    await stopProcess(daemon, 1000);
    assert.equal(isAlive(daemon), false);
    assert.match(await readFile(daemon.logPath, "utf8"), /no/);
  });

  it("says its last words when it has ended", async () => {
    const daemon = await start("console.error('port taken'); process.exit(3)");
    await waitFor("it ended", async () => !isAlive(daemon) || undefined, { timeoutMs: 10_000 });
    await assert.rejects(assertRunning(daemon), /it ended; the last lines of .*\nport taken/);
  });

  it("leaves a process alone that only has the same number", async () => {
    const daemon = await start("setInterval(() => {}, 1000)");
    signalProcess({ pid: daemon.pid, startTicks: "1" }, "SIGKILL");
    assert.equal(identifyProcess(daemon.pid)?.startTicks, daemon.startTicks);
  });

  it("a command that is not there is an error", async () => {
    const logPath = join(folder, "it.log");
    const spec = { name: "it", command: "/nonexistent", args: [], logPath, outlive: true };
    await assert.rejects(startDaemon(spec), /ENOENT/);
  });
});
