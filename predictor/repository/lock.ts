/**
 * One of several predictors that share a folder downloads a model; the others wait for it. It only
 * saves work: a copy appears complete or not at all, whoever makes it.
 */
import { readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface LockOptions {
  /** This process' name, and whether one of another name may still live. */
  readonly self: string;
  readonly isAlive: (name: string) => boolean;
  readonly signal: AbortSignal;
  /** How long a holder of another machine may show no sign of life. */
  readonly staleMs?: number;
  readonly pollMs?: number;
}

const STALE_MS = 30_000;
const POLL_MS = 200;

/** Runs the task while nobody else holds the lock file. Rejects with the signal's reason. */
export async function withLock<T>(
  path: string,
  options: LockOptions,
  task: () => Promise<T>,
): Promise<T> {
  const { self, signal, staleMs = STALE_MS, pollMs = POLL_MS } = options;
  let seen: { readonly mtimeMs: number; readonly atMs: number } | undefined;
  while (!(await take(path, self))) {
    signal.throwIfAborted();
    const holder = await read(path);
    if (holder === undefined) continue;
    // By how long it did not change while we looked: the clocks of two machines may differ.
    if (seen?.mtimeMs !== holder.mtimeMs) {
      seen = { mtimeMs: holder.mtimeMs, atMs: performance.now() };
    }
    const stale = performance.now() - seen.atMs > staleMs;
    if (stale || !options.isAlive(holder.name)) await takeAway(path, self);
    else await sleep(pollMs, undefined, { signal });
  }
  const beat = setInterval(() => void touch(path), staleMs / 4).unref();
  try {
    return await task();
  } finally {
    clearInterval(beat);
    if ((await read(path))?.name === self) await rm(path, { force: true });
  }
}

async function take(path: string, self: string): Promise<boolean> {
  try {
    await writeFile(path, self, { flag: "wx" });
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return false;
    throw cause;
  }
}

async function read(path: string): Promise<{ name: string; mtimeMs: number } | undefined> {
  try {
    const { mtimeMs } = await stat(path);
    return { name: await readFile(path, "utf8"), mtimeMs };
  } catch {
    return undefined; // Just released.
  }
}

/** Of several that see a dead holder, the rename of one succeeds. */
async function takeAway(path: string, self: string): Promise<void> {
  const gone = `${path}.${self}`;
  try {
    await rename(path, gone);
    await rm(gone, { force: true });
  } catch {
    // Another one was faster.
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => {}); // Taken away: who has it now, has it.
}
