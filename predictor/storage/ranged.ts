/**
 * Bytes of one object that survive broken connections: a stream that goes on where it broke, and a
 * large file whose parts come in parallel into their places. Both only while the object stays the
 * one it was (If-Match, and what each part says of itself), and both checked against the store's
 * digest where it gives one.
 */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

import { parseLength, receive } from "./http-client.ts";
import type { HttpReply } from "./http-client.ts";
import { TransientError, retry } from "./retry.ts";
import type { Retrying } from "./retry.ts";
import { onDisk, writeAll } from "./save.ts";
import type { ByteBudget } from "./save.ts";

/** What a store says its object hashes to, in hexadecimal. */
export interface Digest {
  readonly algorithm: "md5" | "sha1" | "sha256";
  readonly hex: string;
  /** Hashed before the content. */
  readonly prefix?: string;
}

/** Bytes `from` to the end, or to `to` inclusive. */
export interface ByteRange {
  readonly from: number;
  readonly to?: number | undefined;
}

/** How parts of one state of an object are asked for; replies with 206, or rejects. */
export type GetRange = (range: ByteRange, signal: AbortSignal) => Promise<HttpReply>;

/** Files from this size on come in parts, in parallel. */
export const PARALLEL_BYTES_MIN = 32 * 1024 * 1024;
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 4;

/** What tells the one state of an object from its others, where a server says it. */
export interface ObjectState {
  readonly etag?: string | undefined;
  /** Of the whole object. */
  readonly bytes?: number | undefined;
}

const CONTENT_RANGE = /^bytes (\d+)-\d+\/(\d+|\*)$/;

/** There is another state of the object now: what was fetched of the one before is of no use. */
class ObjectChanged extends TransientError {
  constructor() {
    super("the object changed while it was fetched");
  }
}

/** Range and If-Match headers of a part. */
export function rangeHeaders({ from, to }: ByteRange, etag?: string): Record<string, string> {
  const range = { range: `bytes=${from}-${to ?? ""}` };
  return etag === undefined ? range : { ...range, "if-match": etag };
}

/**
 * Checks that a reply is the part that was asked for, of the state that the others are of: a server
 * may know ranges and yet not look at If-Match. Throws TransientError when the object changed
 * meanwhile or the server sends something else: then all begins anew.
 */
export function checkPart(reply: HttpReply, { from }: ByteRange, of: ObjectState = {}): HttpReply {
  const { etag, "content-range": range = "" } = reply.headers;
  const [, start, total] = CONTENT_RANGE.exec(range) ?? [];
  const isPart = reply.status === 206 && Number(start) === from;
  const isSame =
    (etag === undefined || of.etag === undefined || etag === of.etag) &&
    (total === "*" || of.bytes === undefined || Number(total) === of.bytes);
  if (isPart && isSame) return reply;
  reply.body.destroy();
  if (isPart || reply.status === 412 || reply.status === 416) throw new ObjectChanged();
  throw new TransientError(`the server answered a range with HTTP ${reply.status}`);
}

/** Whether the parts of this object can be fetched one by one, and be told from another state's. */
export function strongEtag(reply: HttpReply): string | undefined {
  const { etag, "accept-ranges": ranges } = reply.headers;
  return etag?.startsWith('"') === true && ranges === "bytes" ? etag : undefined;
}

/**
 * A body that goes on from where it broke, as often as the policy has attempts without progress.
 * Throws TransientError at its end if it is not as long as the server promised.
 */
export async function* resuming(
  first: HttpReply,
  getRange: GetRange | undefined,
  how: Retrying,
): AsyncGenerator<Buffer> {
  const etag = strongEtag(first);
  let bytes = wholeLength(first);
  let received = 0;
  let reply: HttpReply | undefined = first;
  let failures = 0;
  for (;;) {
    const from = received;
    try {
      reply ??= checkPart(
        await (getRange as GetRange)({ from }, how.signal),
        { from },
        { etag, bytes },
      );
      bytes ??= wholeLength(reply);
      for await (const chunk of receive(reply)) {
        received += chunk.length;
        if (received > (bytes ?? received)) throw new ObjectChanged();
        yield chunk;
      }
      if (bytes === undefined || received === bytes) return;
      throw new TransientError(`the body ended after ${received} of ${bytes} bytes`);
    } catch (cause) {
      if (getRange === undefined || !(cause instanceof TransientError)) throw cause;
      if (cause instanceof ObjectChanged) throw cause;
      failures = received > from ? 1 : failures + 1;
      if (failures >= how.policy.attemptsMax || received === 0) throw cause;
      how.onRetry?.({ attempt: failures, delayMs: 0, message: cause.message });
      how.signal.throwIfAborted();
      reply = undefined;
    }
  }
}

export interface PartsOptions extends Retrying {
  readonly bytes: number;
  /** Of the state whose parts they are. */
  readonly etag?: string | undefined;
  readonly getRange: GetRange;
  readonly digest: Digest | undefined;
  readonly budget: ByteBudget;
}

/**
 * Writes a large object into a new file, parts in parallel, each going on where it broke. Throws
 * what the store throws, TransientError if the whole isn't what the store promised.
 */
export async function saveInParts(path: string, options: PartsOptions): Promise<void> {
  const { bytes, budget, digest, signal } = options;
  budget.take(bytes);
  try {
    await using file = await onDisk(open(path, "wx+", 0o644));
    const parts = Array.from({ length: Math.ceil(bytes / PART_BYTES) }, (_, index) => ({
      from: index * PART_BYTES,
      to: Math.min(bytes, (index + 1) * PART_BYTES) - 1,
    }));
    await inParallel(parts, { signal, atOnce: PARTS_AT_ONCE }, async (part, either) =>
      savePart(file, part, { ...options, signal: either }),
    );
    await onDisk(file.sync());
    if (digest !== undefined) await verifyFile(file, digest);
  } catch (cause) {
    budget.give(bytes);
    throw cause;
  }
}

async function savePart(
  file: FileHandle,
  { from, to }: { readonly from: number; readonly to: number },
  options: PartsOptions,
): Promise<void> {
  let at = from;
  let changed: ObjectChanged | undefined;
  const fetchRest = async (): Promise<void> => {
    const range = { from: at, to };
    const reply = checkPart(await options.getRange(range, options.signal), range, options);
    for await (const chunk of receive(reply)) {
      if (at + chunk.length > to + 1) {
        reply.body.destroy();
        throw new TransientError("the server sent more than it was asked for");
      }
      await onDisk(writeAll(file, chunk, at));
      at += chunk.length;
    }
    if (at <= to) throw new TransientError(`a part ended after ${at - from} bytes`);
  };
  await retry(async () => {
    if (at > to) return;
    try {
      await fetchRest();
    } catch (cause) {
      // Asked for once more, this part would be the new state's again.
      if (!(cause instanceof ObjectChanged)) throw cause;
      changed = cause;
    }
  }, options);
  if (changed !== undefined) throw changed;
}

async function verifyFile(file: FileHandle, digest: Digest): Promise<void> {
  const hash = startHash(digest);
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (let position = 0; ;) {
    const { bytesRead } = await onDisk(file.read(buffer, 0, buffer.length, position));
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
  assertDigest(hash.digest("hex"), digest);
}

/** Passes a stream on; throws TransientError at its end if its digest is another. */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  digest: Digest | undefined,
): AsyncGenerator<Uint8Array> {
  if (digest === undefined) {
    yield* source;
    return;
  }
  const hash = startHash(digest);
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
  assertDigest(hash.digest("hex"), digest);
}

function startHash({ algorithm, prefix = "" }: Digest): Hash {
  return createHash(algorithm).update(prefix);
}

const DIGEST_NAMES = { md5: "MD5", sha1: "SHA-1", sha256: "SHA-256" } as const;

function assertDigest(arrived: string, { algorithm, hex }: Digest): void {
  if (arrived === hex) return;
  const name = DIGEST_NAMES[algorithm];
  throw new TransientError(`what arrived has the ${name} ${arrived}, the server promised ${hex}`);
}

/** Length of the whole object: of a plain reply, or of the object that a part is of. */
export function wholeLength({ status, headers }: HttpReply): number | undefined {
  if (status === 200) return parseLength(headers["content-length"]);
  return parseLength(CONTENT_RANGE.exec(headers["content-range"] ?? "")?.[2]);
}

/** Runs a few at a time. The first failure ends the others, which would only fill the disk. */
export async function inParallel<T>(
  items: readonly T[],
  { signal, atOnce }: { readonly signal: AbortSignal; readonly atOnce: number },
  run: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const work = async (): Promise<void> => {
    try {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        either.throwIfAborted();
        await run(item, either);
      }
    } catch (cause) {
      failure.abort(cause);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  either.throwIfAborted();
}
