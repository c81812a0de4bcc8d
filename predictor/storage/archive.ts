/**
 * Unpacks a tar archive of unknown origin, plain or compressed: regular files and folders, nothing
 * else. Links are refused, not resolved: onnxruntime follows them when it reads external data.
 */
import { Readable, Transform } from "node:stream";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";

import { extract } from "tar-stream";

import { TransientError } from "./retry.ts";
import { Placing, RatioGuard } from "./placing.ts";
import type { ByteBudget } from "./save.ts";
import { StorageError } from "./storage-error.ts";

const BLOCK_BYTES = 512;

export type TarCompression = "none" | "gzip" | "zstd";

export interface UnpackOptions {
  readonly into: string;
  readonly budget: ByteBudget;
  /** Names the archive in messages. */
  readonly shown: string;
  readonly signal: AbortSignal;
  /** Only what lies in this folder of the archive, without it; the rest isn't even judged. */
  readonly below?: string | undefined;
}

/**
 * Streams an archive into the folder `into`. Throws StorageError "invalid" for what may not be in a
 * model's archive; what the source throws passes through.
 */
export async function unpack(
  source: AsyncIterable<Uint8Array>,
  compression: TarCompression,
  { into, budget, shown, signal, below }: UnpackOptions,
): Promise<void> {
  const refuse = (why: string): StorageError => new StorageError("invalid", `${shown}: ${why}`);
  const parser = extract();
  const placing = new Placing({ into, budget, refuse });
  const ratio = new RatioGuard(refuse);
  const end = wholeArchive(refuse);
  const steps: Duplex[] = [...decompress(compression, ratio), end, parser as unknown as Duplex];
  const ends = await Promise.allSettled([
    pipeline([Readable.from(source), ...steps], { signal }),
    placeAll(parser as AsyncIterable<Entry>, placing, below),
  ]);
  signal.throwIfAborted();
  const causes = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  // Each end fails when the other does: the one that knows why is the one that has a type for it.
  const known = causes.find(
    (cause) => cause instanceof StorageError || cause instanceof TransientError,
  );
  if (causes.length > 0) throw known ?? archiveError(causes[0], refuse);
  await placing.sync();
}

function decompress(compression: TarCompression, ratio: RatioGuard): Duplex[] {
  if (compression === "none") return [];
  const decoder = compression === "gzip" ? createGunzip() : createZstdDecompress();
  return [counting((bytes) => ratio.read(bytes)), decoder, counting((bytes) => ratio.write(bytes))];
}

/** Passes an archive on; ends in an error if it does not end with a block of zeros, as all do. */
function wholeArchive(refuse: (why: string) => StorageError): Transform {
  let zeros = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      let at = chunk.length;
      while (at > 0 && chunk.length - at < BLOCK_BYTES && chunk[at - 1] === 0) at -= 1;
      zeros = at > 0 ? chunk.length - at : zeros + chunk.length;
      done(null, chunk);
    },
    flush: (done) => {
      const cut = "is no intact tar archive (cut short: it has no end)";
      done(zeros < BLOCK_BYTES ? refuse(cut) : null);
    },
  });
}

/** Passes bytes on and tells how many; what the listener throws ends the stream. */
function counting(count: (bytes: number) => void): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      try {
        count(chunk.length);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

/** What is used of tar-stream's entries; their type is null for what it has no word for. */
interface Entry extends AsyncIterable<Uint8Array> {
  readonly header: { readonly name: string; readonly type: string | null };
  resume(): unknown;
}

async function placeAll(
  parser: AsyncIterable<Entry>,
  placing: Placing,
  below: string | undefined,
): Promise<void> {
  for await (const entry of parser) {
    const { type } = entry.header;
    const name = below === undefined ? entry.header.name : nameBelow(entry.header.name, below);
    if (name === undefined) {
      entry.resume();
      continue;
    }
    if (type === "directory") {
      await placing.folder(name);
      entry.resume();
    } else if (type === "file" || type === "contiguous-file") {
      await placing.file(name, entry);
    } else {
      placing.refuseKind(name, type ?? "special entry");
    }
  }
}

/** A name without the folder that it begins with; undefined if it begins with another. */
function nameBelow(name: string, folder: string): string | undefined {
  const bare = name.replace(/^(\.?\/)+/, "");
  return bare.startsWith(`${folder}/`) ? bare.slice(folder.length + 1) || "." : undefined;
}

/** What the decompressor and the parser throw, told apart. */
function archiveError(cause: unknown, refuse: (why: string) => StorageError): unknown {
  if (!(cause instanceof Error)) return cause;
  const code = "code" in cause ? String(cause.code) : "";
  if (code.startsWith("Z_")) return refuse(`is no intact gzip file (${cause.message})`);
  if (code.startsWith("ZSTD_")) return refuse(`is no intact zstd file (${cause.message})`);
  if (code === "") return refuse(`is no intact tar archive (${cause.message})`);
  return cause;
}
