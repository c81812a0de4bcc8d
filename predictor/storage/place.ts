import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { unpack } from "./archive.ts";
import { diagnose, isGzip } from "./diagnose.ts";
import { ByteBudget, onDisk, saveStream, verified } from "./save.ts";
import { StorageError } from "./storage-error.ts";

export interface PlaceOptions {
  readonly into: string;
  readonly shown: string;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
  /** Content-Length, so that what is too large is refused before it is fetched. */
  readonly bytes?: number | undefined;
  readonly md5?: string | undefined;
}

/**
 * Puts one object into the folder: a .tar.gz is unpacked, anything else becomes model.onnx. Which
 * of them it is, its first bytes say: addresses that end in `?download=1` say nothing.
 */
export async function placeObject(
  body: AsyncIterable<Uint8Array>,
  { into, shown, bytesMax, signal, bytes, md5 }: PlaceOptions,
): Promise<void> {
  const budget = new ByteBudget(bytesMax, shown);
  if (bytes !== undefined) {
    budget.take(bytes);
    budget.give(bytes);
  }
  const { head, all, close } = await peek(md5 === undefined ? body : verified(body, md5));
  if (isGzip(head)) {
    await unpack(all, { into, budget, shown, signal });
    return;
  }
  const trouble = diagnose(head, head.length);
  if (trouble === undefined) {
    await saveStream(all, join(into, "model.onnx"), budget);
    return;
  }
  await close();
  throw new StorageError("invalid", `${shown}: ${trouble}`);
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

const HEAD_BYTES = 64;

interface Peeked {
  readonly head: Buffer;
  /** Everything, the head included. */
  readonly all: AsyncIterable<Uint8Array>;
  /** Ends a stream of which `all` was not read. */
  readonly close: () => Promise<void>;
}

async function peek(body: AsyncIterable<Uint8Array>): Promise<Peeked> {
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
