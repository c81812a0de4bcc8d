/**
 * The copies of models below MODEL_DIR. A copy is made in a folder of its own and appears under its
 * name complete, synced and checked, or not at all; whoever dies in between leaves a folder that
 * the next start removes.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, relative, sep } from "node:path";

import { makeFolder } from "../storage/place.ts";
import { onDisk, syncFolder } from "../storage/save.ts";
import { withLock } from "./lock.ts";

/** A complete copy. */
export interface Copy {
  readonly folder: string;
  readonly validator: string | undefined;
  /** Of the model's contents (storage/contents.ts). */
  readonly digest: string | undefined;
}

/** Copies are hidden from a listing of MODEL_DIR, which may hold a mounted model, too. */
const COPIES_FOLDER = ".pilotlight";
const MODEL_FOLDER = "model";
const SOURCE_FILE = "source.json";
const USERS_FOLDER = "users";
const STAGED = "tmp~";

/** This process among those that share MODEL_DIR; a container's first process is always number 1. */
const START = randomBytes(4).toString("hex");
const SELF = `${hostname()}~${process.pid}~${START}`;

/** The folder of a copy's files. */
export function modelFolder({ folder }: Copy): string {
  return join(folder, MODEL_FOLDER);
}

export class Copies {
  readonly #root: string;
  readonly #key: string;

  constructor(modelDir: string, uri: string) {
    this.#root = join(modelDir, COPIES_FOLDER);
    this.#key = keyOf(uri);
  }

  /** Runs the task while no other process that shares the folder fetches the same model. */
  async exclusively<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await makeFolder(this.#root);
    const lock = { self: SELF, isAlive, signal };
    return withLock(`${this.#root}.${this.#key}.lock`, lock, task);
  }

  /**
   * The newest complete copy of this URI, claimed for this process; leftovers of dead processes are
   * removed on the way.
   */
  async find(): Promise<Copy | undefined> {
    await makeFolder(this.#root);
    let newest: Complete | undefined;
    for (const name of await onDisk(readdir(this.#root))) {
      const folder = join(this.#root, name);
      if (name.startsWith(STAGED) && !isAlive(name.slice(STAGED.length))) {
        // On a disk that can't be written any more it stays: the copy beside it is no worse for it.
        await rm(folder, { recursive: true, force: true }).catch(() => {});
      }
      if (!name.startsWith(`${this.#key}-`)) continue;
      const found = await readSource(folder);
      if (found !== undefined && found.madeAt >= (newest?.madeAt ?? 0)) newest = found;
    }
    return newest !== undefined && (await claim(newest)) ? newest : undefined;
  }

  /** An empty folder to fetch into. */
  async stage(): Promise<Copy> {
    const folder = join(this.#root, `${STAGED}${SELF}~${randomBytes(4).toString("hex")}`);
    await onDisk(mkdir(folder));
    await onDisk(mkdir(join(folder, MODEL_FOLDER)));
    await onDisk(mkdir(join(folder, USERS_FOLDER)));
    const copy = { folder, validator: undefined, digest: undefined };
    await claim(copy);
    return copy;
  }

  /** Removes a staged copy that came to nothing. */
  async discard({ folder }: Copy): Promise<void> {
    await onDisk(rm(folder, { recursive: true, force: true }));
  }

  /**
   * Gives a staged copy its name, and removes older ones of the same URI that no living process of
   * this machine serves: an executor that is respawned opens its files again.
   */
  async publish(
    staged: Copy,
    { validator, digest }: Omit<Copy, "folder">,
    { keepOlder }: { readonly keepOlder: boolean },
  ): Promise<Copy> {
    const state = validator ?? randomBytes(16).toString("hex");
    const id = createHash("sha256").update(state).digest("hex").slice(0, 16);
    const copy = { folder: join(this.#root, `${this.#key}-${id}`), validator, digest };
    const source = JSON.stringify({ validator: validator ?? null, digest, madeAt: Date.now() });
    await onDisk(writeFile(join(staged.folder, SOURCE_FILE), source, { flush: true }));
    await onDisk(syncFolder(staged.folder));
    try {
      await rename(staged.folder, copy.folder);
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? cause.code : "";
      if (code !== "ENOTEMPTY" && code !== "EEXIST") return onDisk(Promise.reject(cause));
      // The copy of the same state that another process made meanwhile is as good.
      await this.discard(staged);
      await claim(copy);
    }
    await onDisk(syncFolder(this.#root));
    if (!keepOlder) await this.#removeOthers(copy);
    return copy;
  }

  /** Removes what publish() kept, once the newest is served. */
  async forgetOlder(): Promise<void> {
    const newest = await this.find();
    if (newest !== undefined) await this.#removeOthers(newest);
  }

  async #removeOthers(copy: Copy): Promise<void> {
    for (const name of await onDisk(readdir(this.#root))) {
      const folder = join(this.#root, name);
      if (!name.startsWith(`${this.#key}-`) || folder === copy.folder) continue;
      if ((await readUsers(folder)).some((user) => user !== SELF && isAlive(user))) continue;
      await onDisk(rm(folder, { recursive: true, force: true }));
    }
  }
}

/** What the names of all copies of a storage URI begin with, whatever state they are of. */
function keyOf(uri: string): string {
  return createHash("sha256").update(uri).digest("hex").slice(0, 16);
}

/** Whether a copy's folder is of this URI. */
export function isCopyOf(folder: string, uri: string): boolean {
  return basename(folder).startsWith(`${keyOf(uri)}-`);
}

/** The copy that a file belongs to; undefined for a file that lies elsewhere. */
export function copyOf(modelDir: string, file: string): string | undefined {
  const root = join(modelDir, COPIES_FOLDER);
  const [name = "", ...rest] = relative(root, file).split(sep);
  return name === "" || name === ".." || rest.length === 0 ? undefined : join(root, name);
}

/** The complete copies below MODEL_DIR that no other living process serves, with their sizes. */
export async function listCopies(modelDir: string): Promise<{ folder: string; bytes: number }[]> {
  const root = join(modelDir, COPIES_FOLDER);
  await makeFolder(root);
  const found = [];
  for (const name of await onDisk(readdir(root))) {
    const folder = join(root, name);
    if (name.startsWith(STAGED) || (await readSource(folder)) === undefined) continue;
    if ((await readUsers(folder)).some((user) => user !== SELF && isAlive(user))) continue;
    found.push({ folder, bytes: await bytesIn(join(folder, MODEL_FOLDER)) });
  }
  return found;
}

/** Removes a copy, at once for all who look for one; one that has gone is none to remove. */
export async function removeCopy(folder: string): Promise<void> {
  const gone = join(dirname(folder), `${STAGED}${SELF}~${randomBytes(4).toString("hex")}`);
  try {
    await rename(folder, gone);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return;
    await onDisk(Promise.reject(cause));
  }
  await onDisk(rm(gone, { recursive: true, force: true }));
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await onDisk(readdir(folder, { withFileTypes: true, recursive: true }))) {
    if (entry.isFile()) bytes += (await onDisk(stat(join(entry.parentPath, entry.name)))).size;
  }
  return bytes;
}

interface Complete extends Copy {
  readonly madeAt: number;
}

/**
 * Notes that this process serves a copy; false if the copy has just gone. One that can't be written
 * to is served without a note.
 */
async function claim({ folder }: Copy): Promise<boolean> {
  try {
    await writeFile(join(folder, USERS_FOLDER, SELF), "");
    return true;
  } catch (cause) {
    return !(cause instanceof Error && "code" in cause && cause.code === "ENOENT");
  }
}

async function readSource(folder: string): Promise<Complete | undefined> {
  try {
    const source: unknown = JSON.parse(await readFile(join(folder, SOURCE_FILE), "utf8"));
    if (typeof source !== "object" || source === null) return undefined;
    const validator = "validator" in source ? source.validator : undefined;
    const digest = "digest" in source ? source.digest : undefined;
    const madeAt = "madeAt" in source ? Number(source.madeAt) : 0;
    return { folder, madeAt, validator: textOf(validator), digest: textOf(digest) };
  } catch {
    // Removed by another process just now, or not ours: it is not a copy to use.
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

async function readUsers(folder: string): Promise<string[]> {
  try {
    return await readdir(join(folder, USERS_FOLDER));
  } catch {
    return [];
  }
}

/**
 * Whether the process of a name like SELF may still run. Another one of our own number can only be
 * our predecessor in this container; of another machine nothing is known, so it is left alone.
 */
function isAlive(name: string): boolean {
  const [host, pid, start] = name.split("~");
  if (host !== hostname()) return true;
  const number = Number(pid);
  if (number === process.pid) return start === START;
  try {
    process.kill(number, 0);
    return true;
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM";
  }
}
