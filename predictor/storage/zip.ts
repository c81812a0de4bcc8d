/**
 * Unpacks a zip file of unknown origin that lies on disk. Its directory at the end decides; what
 * the entries say of themselves must agree with it. Stored and deflated entries, zip64 included.
 * Source: PKWARE APPNOTE 6.3.10
 */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";

import { Placing, RatioGuard } from "./placing.ts";
import type { Refuse } from "./placing.ts";
import type { UnpackOptions } from "./archive.ts";
import { StorageError } from "./storage-error.ts";

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
/** 10,000 entries of long names. */
const DIRECTORY_BYTES_MAX = 16 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly unpacked: number;
  readonly offset: number;
}

/** Unpacks the file into a folder. Throws StorageError "invalid" for what may not be in it. */
export async function unpackZip(path: string, options: UnpackOptions): Promise<void> {
  const { into, budget, shown, signal } = options;
  const refuse: Refuse = (why) => new StorageError("invalid", `${shown}: ${why}`);
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const placing = new Placing({ into, budget, refuse });
  const entries = await readDirectory(file, size, { placing, refuse });
  refuseOverlaps(entries, size, refuse);
  const ratio = new RatioGuard(refuse);
  for (const entry of entries) {
    signal.throwIfAborted();
    if (entry.name.endsWith("/")) await placing.folder(entry.name);
    else await placing.file(entry.name, contentOf(file, entry, { ratio, refuse }));
  }
  await placing.sync();
}

type Checks = { readonly placing: Placing; readonly refuse: Refuse };

async function readDirectory(file: FileHandle, size: number, checks: Checks): Promise<Entry[]> {
  const { refuse } = checks;
  const tail = await readAt(file, Math.max(0, size - END_BYTES - COMMENT_BYTES_MAX), size);
  let end = tail.length - END_BYTES;
  while (end >= 0 && tail.readUInt32LE(end) !== END) end -= 1;
  if (end < 0) throw refuse("is no intact zip file (its directory is missing)");
  let count = tail.readUInt16LE(end + 10);
  let bytes = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  if (count === 0xffff || bytes === 0xffff_ffff || offset === 0xffff_ffff) {
    const locator = end - 20;
    const found = locator >= 0 && tail.readUInt32LE(locator) === LOCATOR64;
    if (!found) throw refuse("is no intact zip file (its zip64 directory is missing)");
    const at = Number(tail.readBigUInt64LE(locator + 8));
    const end64 = await readAt(file, at, Math.min(size, at + 56));
    if (end64.length < 56 || end64.readUInt32LE(0) !== END64) {
      throw refuse("is no intact zip file (its zip64 directory is missing)");
    }
    count = Number(end64.readBigUInt64LE(32));
    bytes = Number(end64.readBigUInt64LE(40));
    offset = Number(end64.readBigUInt64LE(48));
  }
  if (bytes > DIRECTORY_BYTES_MAX || offset + bytes > size) {
    throw refuse("is no intact zip file (its directory is too large or elsewhere)");
  }
  const directory = await readAt(file, offset, offset + bytes);
  return parseDirectory(directory, count, checks);
}

function parseDirectory(directory: Buffer, count: number, { placing, refuse }: Checks): Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== CENTRAL) {
      throw refuse("is no intact zip file (its directory is cut short)");
    }
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
      directory.readUInt16LE(at + field),
    ) as [number, number, number];
    const flags = directory.readUInt16LE(at + 8);
    const name = directory.toString("utf8", at + 46, at + 46 + nameBytes);
    if ((flags & 1) !== 0) throw refuse(`entry "${name}" is encrypted; pack it without a password`);
    // The upper half is the mode of Unix, if the entry was made there.
    const kind = (directory.readUInt32LE(at + 38) >>> 16) & 0o170000;
    const madeOnUnix = directory.readUInt8(at + 5) === 3;
    if (madeOnUnix && ![0, 0o100000, 0o040000].includes(kind)) {
      placing.refuseKind(name, kind === 0o120000 ? "symlink" : "special entry");
    }
    const extra = directory.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes);
    const [unpacked, packed, offset] = sizesOf(directory, at, extra);
    const method = directory.readUInt16LE(at + 10);
    if (method !== 0 && method !== 8) {
      throw refuse(`entry "${name}" is compressed by method ${method}; use deflate`);
    }
    const crc = directory.readUInt32LE(at + 16);
    entries.push({ name, method, crc, packed, unpacked, offset });
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return entries;
}

/** Sizes and place of an entry; those that are all ones stand in the zip64 field instead. */
function sizesOf(directory: Buffer, at: number, extra: Buffer): [number, number, number] {
  const sizes = [24, 20, 42].map((field) => directory.readUInt32LE(at + field)) as [
    number,
    number,
    number,
  ];
  let field = 0;
  while (field + 4 <= extra.length) {
    const bytes = extra.readUInt16LE(field + 2);
    if (extra.readUInt16LE(field) === 1) {
      let value = field + 4;
      for (const [index, size] of sizes.entries()) {
        if (size !== 0xffff_ffff || value + 8 > field + 4 + bytes) continue;
        sizes[index] = Number(extra.readBigUInt64LE(value));
        value += 8;
      }
    }
    field += 4 + bytes;
  }
  return sizes;
}

/** Entries that share their bytes are made to unpack to more than there is. */
function refuseOverlaps(entries: readonly Entry[], size: number, refuse: Refuse): void {
  let end = 0;
  for (const entry of entries.toSorted((one, other) => one.offset - other.offset)) {
    if (entry.offset < end || entry.offset + entry.packed > size) {
      throw refuse("is no proper zip file: its entries overlap or lie outside of it");
    }
    end = entry.offset + 30 + entry.packed;
  }
}

async function* contentOf(
  file: FileHandle,
  entry: Entry,
  { ratio, refuse }: { readonly ratio: RatioGuard; readonly refuse: Refuse },
): AsyncGenerator<Uint8Array> {
  const head = await readAt(file, entry.offset, entry.offset + 30);
  if (head.length < 30 || head.readUInt32LE(0) !== LOCAL) {
    throw refuse(`entry "${entry.name}" is not where the directory says`);
  }
  const start = entry.offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  const packed = packedBytes(file, start, entry, ratio);
  let bytes = 0;
  let sum = 0;
  try {
    for await (const chunk of entry.method === 0 ? packed : inflate(packed)) {
      bytes += chunk.length;
      ratio.write(chunk.length);
      if (bytes > entry.unpacked) break;
      sum = crc32(chunk, sum);
      yield chunk;
    }
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (!code.startsWith("Z_")) throw cause;
    throw refuse(`entry "${entry.name}" is damaged (${String(cause)})`);
  }
  if (bytes !== entry.unpacked || sum !== entry.crc) {
    throw refuse(`entry "${entry.name}" is not what its checksum says; pack it again`);
  }
}

function inflate(packed: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  const decoder = createInflateRaw();
  // What breaks either end is thrown where the decoder is read; who stops reading it ends both.
  pipeline(Readable.from(packed), decoder).catch(() => {});
  return decoder as AsyncIterable<Buffer>;
}

async function* packedBytes(
  file: FileHandle,
  start: number,
  { packed }: Entry,
  ratio: RatioGuard,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < start + packed; at += CHUNK_BYTES) {
    const chunk = await readAt(file, at, Math.min(at + CHUNK_BYTES, start + packed));
    ratio.read(chunk.length);
    yield chunk;
  }
}

async function readAt(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.max(0, to - from));
  let read = 0;
  while (read < buffer.length) {
    const { bytesRead } = await file.read(buffer, read, buffer.length - read, from + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
}
