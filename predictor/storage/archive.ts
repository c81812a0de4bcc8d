/**
 * Unpacks a .tar.gz of unknown origin: regular files and folders, nothing else. Links are refused,
 * not resolved: onnxruntime follows them when it reads a model's external data.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

import { extract } from "tar-stream";

import { TransientError } from "./retry.ts";
import { onDisk, saveStream, syncFolder } from "./save.ts";
import type { ByteBudget } from "./save.ts";
import { StorageError, printable } from "./storage-error.ts";

export interface UnpackOptions {
  readonly into: string;
  readonly budget: ByteBudget;
  /** Names the archive in messages. */
  readonly shown: string;
  readonly signal: AbortSignal;
}

const ENTRIES_MAX = 10_000;
const NAME_LENGTH_MAX = 1024;
const SEGMENT_BYTES_MAX = 255;
const DEPTH_MAX = 32;

/**
 * Streams an archive into the folder `into`. Throws StorageError "invalid" for what may not be in a
 * model's archive; what the source throws passes through.
 */
export async function unpack(
  source: AsyncIterable<Uint8Array>,
  { into, budget, shown, signal }: UnpackOptions,
): Promise<void> {
  const refuse = (why: string): StorageError => new StorageError("invalid", `${shown}: ${why}`);
  const parser = extract();
  const placing = { into, budget, folders: new Set([into]), files: new Set<string>(), refuse };
  const ends = await Promise.allSettled([
    pipeline(Readable.from(source), createGunzip(), parser, { signal }),
    placeAll(parser as AsyncIterable<Entry>, placing),
  ]);
  signal.throwIfAborted();
  const causes = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  // Each end fails when the other does: the one that knows why is the one that has a type for it.
  const known = causes.find(
    (cause) => cause instanceof StorageError || cause instanceof TransientError,
  );
  if (causes.length > 0) throw known ?? archiveError(causes[0], refuse);
  for (const folder of placing.folders) await onDisk(syncFolder(folder));
}

async function placeAll(parser: AsyncIterable<Entry>, placing: Placing): Promise<void> {
  let entries = 0;
  for await (const entry of parser) {
    if ((entries += 1) > ENTRIES_MAX) {
      throw placing.refuse(`holds more than ${ENTRIES_MAX} entries`);
    }
    await place(entry, placing);
  }
}

/** What is used of tar-stream's entries; their type is null for what it has no word for. */
interface Entry extends AsyncIterable<Uint8Array> {
  readonly header: { readonly name: string; readonly type: string | null };
  resume(): unknown;
}

interface Placing {
  readonly into: string;
  readonly budget: ByteBudget;
  /** Absolute paths made so far. */
  readonly folders: Set<string>;
  readonly files: Set<string>;
  readonly refuse: (why: string) => StorageError;
}

async function place(entry: Entry, placing: Placing): Promise<void> {
  const { name, type } = entry.header;
  const shownName = printable(name, 100);
  if (type !== "file" && type !== "contiguous-file" && type !== "directory") {
    throw placing.refuse(
      `entry "${shownName}" is a ${type ?? "special entry"}; only files and folders are unpacked, ` +
        "pack again with `tar --dereference`",
    );
  }
  const segments = parseEntryName(name);
  if (segments === undefined) {
    throw placing.refuse(`entry "${shownName}" has a name that leads elsewhere or is too long`);
  }
  if (type === "directory") {
    await makeFolders(segments, shownName, placing);
    entry.resume();
    return;
  }
  await makeFolders(segments.slice(0, -1), shownName, placing);
  const path = join(placing.into, ...segments);
  if (placing.folders.has(path) || placing.files.has(path)) {
    throw placing.refuse(`holds "${shownName}" twice; pack it again`);
  }
  placing.files.add(path);
  // The header's mode is ignored: nothing that is unpacked may be executed, let alone setuid.
  await saveStream(entry, path, placing.budget);
}

async function makeFolders(
  segments: readonly string[],
  shownName: string,
  { into, folders, files, refuse }: Placing,
): Promise<void> {
  let path = into;
  for (const segment of segments) {
    path = join(path, segment);
    if (folders.has(path)) continue;
    if (files.has(path)) throw refuse(`holds "${shownName}" below a file; pack it again`);
    await onDisk(mkdir(path, { mode: 0o755 }));
    folders.add(path);
  }
}

/**
 * The segments of an entry's name; undefined if it is absolute, climbs, or is longer or deeper than
 * any model needs. A backslash is a separator to some tools, a letter to others: it is refused.
 */
export function parseEntryName(name: string): string[] | undefined {
  if (name.length > NAME_LENGTH_MAX || /[\\\p{Cc}]/u.test(name)) return undefined;
  if (name.startsWith("/")) return undefined;
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.length > DEPTH_MAX || segments.includes("..")) return undefined;
  const tooLong = segments.some((segment) => Buffer.byteLength(segment) > SEGMENT_BYTES_MAX);
  return tooLong ? undefined : segments;
}

/** What the decompressor and the parser throw, told apart. */
function archiveError(cause: unknown, refuse: (why: string) => StorageError): unknown {
  if (!(cause instanceof Error)) return cause;
  const code = "code" in cause ? String(cause.code) : "";
  if (code.startsWith("Z_")) return refuse(`is no intact gzip file (${cause.message})`);
  if (code === "") return refuse(`is no intact tar archive (${cause.message})`);
  return cause;
}
