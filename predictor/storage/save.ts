import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

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

  /** One of the same size, untouched. */
  another(): ByteBudget {
    return new ByteBudget(this.#bytesMax, this.#shown);
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

/** Writes all of a chunk: where the file stands, or at a position. */
export async function writeAll(
  file: FileHandle,
  chunk: Uint8Array,
  position?: number,
): Promise<void> {
  for (let offset = 0; offset < chunk.length;) {
    const at = position === undefined ? null : position + offset;
    const left = chunk.length - offset;
    offset += (await file.write(chunk, offset, left, at)).bytesWritten;
  }
}
