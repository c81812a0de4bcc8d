import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

import { TransientError } from "./retry.ts";
import { StorageError } from "./storage-error.ts";

/** What may still be written for one model, over all of its files. */
export class ByteBudget {
  readonly #bytesMax: number;
  readonly #shown: string;
  #taken = 0;

  constructor(bytesMax: number, shown: string) {
    this.#bytesMax = bytesMax;
    this.#shown = shown;
  }

  /** Throws StorageError "invalid" when the model is larger than allowed. */
  take(bytes: number): void {
    if (this.#taken + bytes > this.#bytesMax) {
      throw new StorageError(
        "invalid",
        `${this.#shown}: is larger than MODEL_BYTES_MAX (${this.#bytesMax} bytes); ` +
          "raise it, together with the space of MODEL_DIR, if the model is meant to be that large",
      );
    }
    this.#taken += bytes;
  }

  /** Gives back what a failed attempt took. */
  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

/**
 * Writes a stream to a new file and syncs it. Throws what the source throws, StorageError if the
 * disk refuses; then the budget is as it was.
 */
export async function saveStream(
  source: AsyncIterable<Uint8Array>,
  path: string,
  budget: ByteBudget,
): Promise<void> {
  let bytes = 0;
  try {
    await using file = await onDisk(open(path, "wx", 0o644));
    for await (const chunk of source) {
      budget.take(chunk.length);
      bytes += chunk.length;
      await onDisk(writeAll(file, chunk));
    }
    await onDisk(file.sync());
  } catch (cause) {
    budget.give(bytes);
    throw cause;
  }
}

/** Passes a stream on; throws TransientError at its end if its MD5 (hexadecimal) is another. */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  md5: string,
): AsyncGenerator<Uint8Array> {
  const digest = createHash("md5");
  for await (const chunk of source) {
    digest.update(chunk);
    yield chunk;
  }
  const arrived = digest.digest("hex");
  if (arrived === md5) return;
  throw new TransientError(`what arrived has the MD5 ${arrived}, the server promised ${md5}`);
}

/** Makes a folder's entries as durable as the files that they name. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}

/** What the disk refused, as a StorageError that says where to look. */
export async function onDisk<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const remedy = DISK_REMEDIES.get(code);
    if (remedy === undefined) throw cause;
    throw new StorageError("unavailable", `MODEL_DIR: ${remedy} (${String(cause)})`, { cause });
  }
}

const NOT_WRITABLE = "a downloaded model is put there, but it can't be written; mount an emptyDir";
const FULL = "is full; raise the volume's size limit or lower what the model holds";
const DISK_REMEDIES = new Map([
  ["EACCES", NOT_WRITABLE],
  ["EPERM", NOT_WRITABLE],
  ["EROFS", NOT_WRITABLE],
  ["ENOENT", NOT_WRITABLE],
  ["ENOTDIR", NOT_WRITABLE],
  ["ENOSPC", FULL],
  ["EDQUOT", FULL],
  ["EFBIG", FULL],
  ["EIO", "the disk failed"],
]);

async function writeAll(
  file: { write(data: Uint8Array, offset: number): Promise<{ bytesWritten: number }> },
  chunk: Uint8Array,
): Promise<void> {
  for (let offset = 0; offset < chunk.length;) {
    offset += (await file.write(chunk, offset)).bytesWritten;
  }
}
