import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { unpack } from "./archive.ts";
import type { UnpackOptions } from "./archive.ts";
import type { PassingHash } from "./contents.ts";
import { archiveKind, diagnose } from "./diagnose.ts";
import type { HttpReply } from "./http-client.ts";
import { PARALLEL_BYTES_MIN, resuming, saveInParts, strongEtag, verified } from "./ranged.ts";
import type { Digest, GetRange } from "./ranged.ts";
import type { Retrying } from "./retry.ts";
import { ByteBudget, onDisk, saveStream } from "./save.ts";
import { StorageError } from "./storage-error.ts";
import { unpackZip } from "./zip.ts";

export interface PlaceOptions {
  readonly into: string;
  readonly shown: string;
  readonly bytesMax: number;
  readonly retrying: Retrying;
  /** Of the whole object, so that what is too large is refused before it is fetched. */
  readonly bytes?: number | undefined;
  readonly digest?: Digest | undefined;
  /** Told of the bytes, if they come one after the other: if there is no getRange. */
  readonly passing?: PassingHash | undefined;
  /** Without it, a broken connection begins anew. */
  readonly getRange?: GetRange | undefined;
  /** As in FetchContext. */
  readonly fileName?: string | undefined;
}

/**
 * Puts one object into the folder: an archive is unpacked, anything else becomes model.onnx. Which
 * of them it is, its first bytes say: addresses that end in `?download=1` say nothing.
 */
export async function placeObject(reply: HttpReply, options: PlaceOptions): Promise<void> {
  const { bytes, digest, getRange, into, passing, retrying } = options;
  const arrived = verified(resuming(reply, getRange, retrying), digest);
  const body = passing === undefined ? arrived : passing.pass(arrived);
  await placeStream(body, options, async (budget) => {
    if (bytes === undefined || getRange === undefined || bytes < PARALLEL_BYTES_MIN) return false;
    const parts = { ...retrying, bytes, etag: strongEtag(reply), getRange, digest, budget };
    await saveInParts(join(into, options.fileName ?? MODEL_FILE), parts);
    return true;
  });
}

type StreamOptions = Omit<PlaceOptions, "digest" | "getRange" | "passing" | "retrying"> & {
  readonly retrying: Pick<Retrying, "signal">;
};

/**
 * Puts a stream into the folder, like placeObject(). `inParts` may save a model some other way:
 * then the stream is closed, and true returned.
 */
export async function placeStream(
  body: AsyncIterable<Uint8Array>,
  { into, shown, bytesMax, retrying, bytes, fileName }: StreamOptions,
  inParts: (budget: ByteBudget) => Promise<boolean> = async () => false,
): Promise<void> {
  const budget = new ByteBudget(bytesMax, shown);
  if (bytes !== undefined) {
    budget.take(bytes);
    budget.give(bytes);
  }
  const { head, all, close } = await peek(body);
  const unpacking = { into, budget, shown, signal: retrying.signal };
  const kind = archiveKind(head);
  if (kind === "zip") return placeZip(all, unpacking);
  if (kind !== undefined) return unpack(all, kind, unpacking);
  const trouble = fileName === undefined ? diagnose(head, head.length) : undefined;
  if (trouble !== undefined) {
    await close();
    throw new StorageError("invalid", `${shown}: ${trouble}`);
  }
  if (await inParts(budget)) return close();
  return saveStream(all, join(into, fileName ?? MODEL_FILE), budget);
}

const MODEL_FILE = "model.onnx";
const ZIP_FILE = ".archive.zip";

/** A zip file's directory is at its end: it has to be there before the first entry is unpacked. */
async function placeZip(all: AsyncIterable<Uint8Array>, unpacking: UnpackOptions): Promise<void> {
  const path = join(unpacking.into, ZIP_FILE);
  // The archive itself counts by itself: it is gone before the model is served.
  await saveStream(all, path, unpacking.budget.another());
  try {
    await unpackZip(path, unpacking);
  } finally {
    await onDisk(rm(path, { force: true }));
  }
}

/** Empties a folder that a failed attempt may have left something in. */
export async function clearFolder(path: string): Promise<void> {
  for (const name of await onDisk(readdir(path))) {
    await onDisk(rm(join(path, name), { recursive: true, force: true }));
  }
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  await onDisk(mkdir(path, { recursive: true, mode: 0o755 }));
}

/** A tar file says only behind its first name that it is one. */
const HEAD_BYTES = 512;

export interface Peeked {
  readonly head: Buffer;
  /** Everything, the head included. */
  readonly all: AsyncIterable<Uint8Array>;
  /** Ends a stream of which `all` was not read. */
  readonly close: () => Promise<void>;
}

/** The first bytes of a stream, and the whole of it. */
export async function peek(body: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const rest = body[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < HEAD_BYTES) {
    const next = await rest.next();
    if (next.done === true) break;
    seen.push(next.value);
    bytes += next.value.length;
  }
  const close = async (): Promise<void> => {
    await rest.return?.();
  };
  return { head: Buffer.concat(seen), all: replay(seen, rest), close };
}

async function* replay(
  seen: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* seen;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      yield next.value;
    }
  } finally {
    // A consumer that stops early must close the connection, not leave it half read.
    await rest.return?.();
  }
}
