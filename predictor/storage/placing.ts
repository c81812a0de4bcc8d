/** Where the entries of an archive of unknown origin go, whatever its format; and its bounds. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { parseEntryName } from "./entry-name.ts";
import { onDisk, saveStream, syncFolder } from "./save.ts";
import type { ByteBudget } from "./save.ts";
import { printable } from "./storage-error.ts";
import type { StorageError } from "./storage-error.ts";

const ENTRIES_MAX = 10_000;
/** Weights hardly compress; what grows more than this is made to fill a disk. */
const RATIO_MAX = 200;
/** Below this the ratio says nothing: a small model may be all zeros. */
const RATIO_BYTES_MIN = 128 * 1024 * 1024;

export type Refuse = (why: string) => StorageError;

/** Ends the unpacking of what grows too much. */
export class RatioGuard {
  readonly #refuse: Refuse;
  #packed = 0;
  #unpacked = 0;

  constructor(refuse: Refuse) {
    this.#refuse = refuse;
  }

  read(bytes: number): void {
    this.#packed += bytes;
  }

  /** Throws StorageError "invalid" beyond the ratio. */
  write(bytes: number): void {
    this.#unpacked += bytes;
    if (this.#unpacked < RATIO_BYTES_MIN || this.#unpacked <= RATIO_MAX * this.#packed) return;
    throw this.#refuse(
      `grows more than ${RATIO_MAX} times when it is unpacked; upload it unpacked`,
    );
  }
}

export class Placing {
  readonly #into: string;
  readonly #budget: ByteBudget;
  readonly #refuse: Refuse;
  /** Absolute paths made so far. */
  readonly #folders: Set<string>;
  readonly #files = new Set<string>();
  #entries = 0;

  constructor(given: { into: string; budget: ByteBudget; refuse: Refuse }) {
    this.#into = given.into;
    this.#budget = given.budget;
    this.#refuse = given.refuse;
    this.#folders = new Set([given.into]);
  }

  /**
   * Makes the folder of an entry. Throws StorageError "invalid" for a name that leads elsewhere.
   */
  async folder(name: string): Promise<void> {
    await this.#makeFolders(this.#segments(name), name);
  }

  /** Writes the file of an entry. Throws StorageError "invalid" for a bad name or a second one. */
  async file(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const segments = this.#segments(name);
    await this.#makeFolders(segments.slice(0, -1), name);
    const path = join(this.#into, ...segments);
    if (this.#folders.has(path) || this.#files.has(path)) {
      throw this.#refuse(`holds "${printable(name, 100)}" twice; pack it again`);
    }
    this.#files.add(path);
    // The entry's mode is ignored: nothing that is unpacked may be executed, let alone setuid.
    await saveStream(content, path, this.#budget);
  }

  /** Throws StorageError "invalid" for what is neither a file nor a folder. */
  refuseKind(name: string, kind: string): never {
    throw this.#refuse(
      `entry "${printable(name, 100)}" is a ${kind}; only files and folders are unpacked, ` +
        "pack again with `tar --dereference`",
    );
  }

  /** Makes what was unpacked durable. */
  async sync(): Promise<void> {
    for (const folder of this.#folders) await onDisk(syncFolder(folder));
  }

  #segments(name: string): string[] {
    if ((this.#entries += 1) > ENTRIES_MAX) {
      throw this.#refuse(`holds more than ${ENTRIES_MAX} entries`);
    }
    const segments = parseEntryName(name);
    if (segments !== undefined) return segments;
    const shown = printable(name, 100);
    throw this.#refuse(`entry "${shown}" has a name that leads elsewhere or is too long`);
  }

  async #makeFolders(segments: readonly string[], name: string): Promise<void> {
    let path = this.#into;
    for (const segment of segments) {
      path = join(path, segment);
      if (this.#folders.has(path)) continue;
      if (this.#files.has(path)) {
        throw this.#refuse(`holds "${printable(name, 100)}" below a file; pack it again`);
      }
      await onDisk(mkdir(path, { mode: 0o755 }));
      this.#folders.add(path);
    }
  }
}
