import { spawn } from "node:child_process";
import { access, mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { tail } from "../go/command.ts";
import { identifyProcess, isAlive, type ProcessId } from "../go/process-id.ts";

/** A process that runs on after the function that started it has returned. */
export interface Daemon extends ProcessId {
  readonly name: string;
  readonly logPath: string;
}

export interface DaemonSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly logPath: string;
  /** A network namespace to run in: its file. */
  readonly networkNamespace?: string;
  /** True: outlives this process. False: the kernel ends it with this process. */
  readonly outlive: boolean;
}

const SETPRIV = "/usr/bin/setpriv";
const POLL_MS = 20;
const GRACE_MS = 10_000;

/** Starts a process whose output is appended to its log. */
export async function startDaemon(spec: DaemonSpec): Promise<Daemon> {
  await mkdir(dirname(spec.logPath), { recursive: true });
  const log = await open(spec.logPath, "a");
  try {
    const [command = spec.command, ...args] = [
      ...(await wrapper(spec)),
      spec.command,
      ...spec.args,
    ];
    const child = spawn(command, args, {
      env: spec.env ?? process.env,
      // A group of its own: Ctrl-C in the terminal is for the person's command.
      detached: spec.outlive,
      stdio: ["ignore", log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.unref();
    const id = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (id === undefined) {
      throw new Error(await describeEnd(spec));
    }
    return { name: spec.name, logPath: spec.logPath, ...id };
  } finally {
    await log.close();
  }
}

/** What stands before the command; each execs the next, so that the process id stays the same. */
async function wrapper(spec: DaemonSpec): Promise<string[]> {
  const words: string[] = [];
  if (spec.networkNamespace !== undefined) {
    words.push("nsenter", `--net=${spec.networkNamespace}`);
  }
  if (
    !spec.outlive &&
    (await access(SETPRIV).then(
      () => true,
      () => false,
    ))
  ) {
    words.push(SETPRIV, "--pdeathsig", "KILL");
  }
  return words;
}

/** Throws, with the last lines of its log, when the daemon has ended. */
export async function assertRunning(daemon: Daemon): Promise<void> {
  if (!isAlive(daemon)) {
    throw new Error(await describeEnd(daemon));
  }
}

async function describeEnd(of: { name: string; logPath: string }): Promise<string> {
  const text = await readFile(of.logPath, "utf8").catch(() => "");
  return `${of.name} ended; the last lines of ${of.logPath}:\n${tail(text)}`;
}

/**
 * Ends a process that we started and waits until it is gone: SIGTERM, then SIGKILL after
 * `graceMs`. One whose number now belongs to another process is left alone.
 */
export async function stopProcess(id: ProcessId, graceMs: number = GRACE_MS): Promise<void> {
  signalProcess(id, "SIGTERM");
  if (!(await isGoneWithin(id, graceMs))) {
    await killProcess(id);
  }
}

/** Ends a process by SIGKILL and waits until it is gone. */
export async function killProcess(id: ProcessId): Promise<void> {
  signalProcess(id, "SIGKILL");
  if (!(await isGoneWithin(id, GRACE_MS))) {
    throw new Error(`process ${id.pid} does not end, even by SIGKILL`);
  }
}

async function isGoneWithin(id: ProcessId, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  while (isAlive(id)) {
    if (performance.now() >= deadlineMs) {
      return false;
    }
    await delay(POLL_MS);
  }
  return true;
}

/** Sends a signal if the process is still the same one. */
export function signalProcess(id: ProcessId, signal: NodeJS.Signals): void {
  if (!isAlive(id)) {
    return;
  }
  try {
    process.kill(id.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      throw error;
    }
  }
}
