import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { archiveKind, diagnose } from "./diagnose.ts";
import { StorageError } from "./storage-error.ts";

/** Far more than a model needs; a listing stays bounded whatever is mounted. */
const ENTRIES_MAX = 10_000;
const HEAD_BYTES = 512;

/** The names in a folder, one level deep: what decides which models it holds. */
export interface FolderListing {
  readonly files: readonly string[];
  readonly folders: ReadonlyMap<string, readonly string[]>;
}

export type LocalKind = "file" | "folder";

/** Whether a path is a file or a folder, links followed; `shown` names it in messages. */
export async function probeLocal(path: string, shown: string): Promise<LocalKind> {
  try {
    const found = await stat(path);
    if (found.isFile()) return "file";
    if (found.isDirectory()) return "folder";
  } catch (cause) {
    throw localError(cause, shown);
  }
  // Opening a pipe would wait for ever, a device might never end.
  throw new StorageError("invalid", `${shown}: is neither a regular file nor a folder`);
}

/** The names in a folder and in its folders, links followed: ConfigMaps are mounted as links. */
export async function listLocal(path: string, shown: string): Promise<FolderListing> {
  try {
    const files: string[] = [];
    const folders = new Map<string, string[]>();
    let entries = 0;
    for (const name of await readdir(path)) {
      if ((entries += 1) > ENTRIES_MAX) throw tooMany(shown);
      const kind = await kindOf(join(path, name));
      if (kind === "file") files.push(name);
      if (kind === "folder") folders.set(name, []);
    }
    for (const [folder, inside] of folders) {
      for (const name of await readdir(join(path, folder))) {
        if ((entries += 1) > ENTRIES_MAX) throw tooMany(shown);
        if ((await kindOf(join(path, folder, name))) === "file") inside.push(name);
      }
    }
    return { files, folders };
  } catch (cause) {
    throw localError(cause, shown);
  }
}

/** Throws StorageError "invalid" if the file is recognisably something else than a model. */
export async function refuseForeignFile(path: string, shown: string): Promise<void> {
  const { head, bytes } = await readHead(path, shown);
  const trouble = diagnose(head, bytes);
  if (trouble !== undefined) throw new StorageError("invalid", `${shown}: ${trouble}`);
}

/** Whether a file is an archive, and so has to be unpacked before it can be served. */
export async function isLocalArchive(path: string, shown: string): Promise<boolean> {
  return archiveKind((await readHead(path, shown)).head) !== undefined;
}

async function readHead(
  path: string,
  shown: string,
): Promise<{ readonly head: Buffer; readonly bytes: number }> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return { head: buffer.subarray(0, bytesRead), bytes: size };
  } catch (cause) {
    throw localError(cause, shown);
  }
}

/** What the file system said, as a StorageError; anything else passes through. */
export function localError(cause: unknown, shown: string): unknown {
  if (!(cause instanceof Error) || !("code" in cause) || cause instanceof StorageError)
    return cause;
  switch (cause.code) {
    case "ENOENT":
    case "ENOTDIR":
      return new StorageError(
        "not-found",
        `${shown}: does not exist; check storageUri and what is mounted there`,
        { cause },
      );
    case "EACCES":
    case "EPERM":
      return new StorageError(
        "access-denied",
        `${shown}: may not be read by user ${process.getuid?.() ?? "of this process"}; ` +
          "make the file readable and its folders enterable",
        { cause },
      );
    case "ENAMETOOLONG":
    case "ELOOP":
      return new StorageError("invalid", `${shown}: ${cause.message}`, { cause });
    default:
      return new StorageError("unavailable", `${shown}: ${cause.message}`, { cause });
  }
}

async function kindOf(path: string): Promise<LocalKind | undefined> {
  try {
    const found = await stat(path);
    if (found.isFile()) return "file";
    return found.isDirectory() ? "folder" : undefined;
  } catch (cause) {
    // A dangling link is not there; everything else deserves a word.
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw cause;
  }
}

function tooMany(shown: string): StorageError {
  return new StorageError(
    "invalid",
    `${shown}: holds more than ${ENTRIES_MAX} files; let storageUri name the model's own folder`,
  );
}
