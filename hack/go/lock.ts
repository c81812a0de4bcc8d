import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import { identifyProcess, isAlive, type ProcessId } from "./process-id.ts";

export interface LockOptions {
  /** How long another holder is waited for. */
  readonly timeoutMs?: number;
  /** Called once when the lock is held by another process. */
  readonly onWait?: (holder: ProcessId) => void;
}

/** A living process held the lock for longer than was to be waited. */
export class LockHeldError extends Error {
  readonly holder: ProcessId;

  constructor(path: string, holder: ProcessId) {
    super(`lock ${path} is held by process ${holder.pid}: wait for it, or end it`);
    this.holder = holder;
  }
}

const TIMEOUT_MS = 3_600_000;
const POLL_MS = 200;

/**
 * Runs `work` while no other process holds the lock file. The lock of a process that is gone
 * is taken over. Throws LockHeldError when a living holder keeps it longer than `timeoutMs`.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const claim = `${path}.${process.pid}.${randomUUID()}`;
  await writeFile(claim, JSON.stringify(identifyProcess(process.pid)));
  try {
    await acquire(path, claim, options);
  } finally {
    await rm(claim, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Who holds the lock file now; undefined when nobody does, or somebody who is gone. */
export async function livingHolder(path: string): Promise<ProcessId | undefined> {
  const holder = await readHolder(path);
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

async function acquire(path: string, claim: string, options: LockOptions): Promise<void> {
  const deadlineMs = performance.now() + (options.timeoutMs ?? TIMEOUT_MS);
  let announced = false;
  while (!(await tryLink(claim, path))) {
    const holder = await readHolder(path);
    if (holder !== undefined && !isAlive(holder)) {
      await takeOver(path, holder);
      continue;
    }
    if (holder !== undefined && !announced) {
      announced = true;
      options.onWait?.(holder);
    }
    if (holder !== undefined && performance.now() >= deadlineMs) {
      throw new LockHeldError(path, holder);
    }
    await delay(POLL_MS);
  }
}

/** A hard link is made whole or not at all, so that a lock file never lacks its holder. */
async function tryLink(claim: string, path: string): Promise<boolean> {
  try {
    await link(claim, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return false;
    }
    throw error;
  }
}

/** Of two that take over at once, the slower one may have moved a fresh lock: it puts it back. */
async function takeOver(path: string, dead: ProcessId): Promise<void> {
  const aside = `${path}.dead.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readHolder(aside);
  if (moved !== undefined && moved.startTicks !== dead.startTicks && isAlive(moved)) {
    await tryLink(aside, path);
  }
  await rm(aside, { force: true });
}

async function readHolder(path: string): Promise<ProcessId | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, "utf8"));
    return isProcessId(parsed) ? parsed : { pid: 0, startTicks: "unreadable" };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return missing ? undefined : { pid: 0, startTicks: "unreadable" };
  }
}

function isProcessId(value: unknown): value is ProcessId {
  const candidate = value as Partial<ProcessId> | null;
  return typeof candidate?.pid === "number" && typeof candidate.startTicks === "string";
}
