/**
 * One of several predictors that share a folder downloads a model; the others wait for it. It only
 * saves work: a copy appears complete or not at all, whoever makes it.
 */
import { open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
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

/**
 * Runs the task while nobody else holds the lock file. Where that can't be written, the task runs
 * all the same: it knows best what is wrong with the disk. Rejects with the signal's reason.
 */
export async function withLock<T>(
  path: string,
  options: LockOptions,
  task: () => Promise<T>,
): Promise<T> {
  const { self, signal, staleMs = STALE_MS, pollMs = POLL_MS } = options;
  let seen: { readonly mtimeMs: number; readonly atMs: number } | undefined;
  for (;;) {
    const taking = await take(path, self);
    if (taking === "impossible") return task();
    if (taking === "taken") break;
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
    if ((await read(path))?.name === self) await removeIfPossible(path);
  }
}

async function take(path: string, self: string): Promise<"taken" | "held" | "impossible"> {
  let file: FileHandle;
  try {
    file = await open(path, "wx");
  } catch (cause) {
    const held = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    return held ? "held" : "impossible";
  }
  try {
    await file.writeFile(self);
    return "taken";
  } catch {
    // Without a name in it, the next start would wait until it is stale.
    await removeIfPossible(path);
    return "impossible";
  } finally {
    await file.close();
  }
}

async function removeIfPossible(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {}); // Others find out that nobody keeps it alive.
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
