import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";

import { parseEntryName } from "./archive.ts";
import { parseLength, receive } from "./http-client.ts";
import type { HttpReply } from "./http-client.ts";
import type { FolderListing } from "./local.ts";
import type { Fetch, FetchContext, Fetched } from "./origin.ts";
import { clearFolder, makeFolder, placeObject } from "./place.ts";
import { retry } from "./retry.ts";
import type { S3Client } from "./s3-client.ts";
import type { S3Object } from "./s3-xml.ts";
import { ByteBudget, onDisk, saveStream, syncFolder, verified } from "./save.ts";
import { StorageError, printable } from "./storage-error.ts";

export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

const OBJECTS_MAX = 10_000;
const PARALLEL_MAX = 4;

/**
 * Fetches one object, if the key ends like a model or an archive, or everything below a prefix.
 * `check` judges a prefix by its names before anything of it is fetched; it throws.
 */
export function createS3Origin(
  location: S3Location,
  client: S3Client,
  context: FetchContext & { readonly check: (listing: FolderListing) => void },
): Fetch {
  if (/\.(onnx|tar\.gz|tgz)$/i.test(location.key)) {
    return (into, known) => fetchObject({ location, client, context, into }, known);
  }
  return async (into, known) => {
    const prefix = location.key === "" || location.key.endsWith("/") ? "" : "/";
    const below = { bucket: location.bucket, key: `${location.key}${prefix}` };
    const files = selectFiles(await listAll(below, client, context), below, context.shown);
    context.check(toListing([...files.keys()]));
    const validator = fingerprint(files);
    if (validator === known) return { kind: "unchanged" };
    await fetchFiles(files, { location: below, client, context, into });
    return { kind: "fetched", validator };
  };
}

interface Fetching {
  readonly location: S3Location;
  readonly client: S3Client;
  readonly context: FetchContext;
  readonly into: string;
}

function fetchObject(fetching: Fetching, known: string | undefined): Promise<Fetched> {
  const { location, client, context, into } = fetching;
  const { shown, bytesMax, signal } = context;
  return retry(async () => {
    await clearFolder(into);
    const reply = await client.get({ ...location, ifNoneMatch: known, shown }, signal);
    if (reply.status === 304) return { kind: "unchanged" };
    const bytes = parseLength(reply.headers["content-length"]);
    const md5 = selectMd5(reply);
    await placeObject(receive(reply), { into, shown, bytesMax, signal, bytes, md5 });
    return { kind: "fetched", validator: reply.headers.etag };
  }, context);
}

async function listAll(
  location: S3Location,
  client: S3Client,
  context: FetchContext,
): Promise<S3Object[]> {
  const { shown, signal } = context;
  const objects: S3Object[] = [];
  let continuation: string | undefined;
  do {
    const page = { bucket: location.bucket, prefix: location.key, continuation, shown };
    const listing = await retry(() => client.list(page, signal), context);
    objects.push(...listing.objects);
    if (objects.length > OBJECTS_MAX) {
      throw new StorageError(
        "invalid",
        `${shown}: more than ${OBJECTS_MAX} objects; let storageUri name the model's own prefix`,
      );
    }
    continuation = listing.continuation;
  } while (continuation !== undefined);
  return objects;
}

/** Objects by their path below the prefix; folder markers and an object of the prefix's name left out. */
function selectFiles(
  objects: readonly S3Object[],
  { key: prefix }: S3Location,
  shown: string,
): Map<string, S3Object> {
  const files = new Map<string, S3Object>();
  for (const object of objects) {
    const path = object.key.slice(prefix.length);
    if (!object.key.startsWith(prefix) || path === "" || path.endsWith("/")) continue;
    if (parseEntryName(path)?.join("/") !== path) {
      throw new StorageError(
        "invalid",
        `${shown}: the key "${printable(object.key, 100)}" is no path of a file; rename it`,
      );
    }
    files.set(path, object);
  }
  if (files.size > 0) return files;
  throw new StorageError(
    "not-found",
    `${shown}: nothing there; check the bucket, the prefix and AWS_ENDPOINT_URL_S3`,
  );
}

function toListing(paths: readonly string[]): FolderListing {
  const files: string[] = [];
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    const [first = "", second, ...deeper] = path.split("/");
    if (second === undefined) {
      files.push(first);
      continue;
    }
    const inside = folders.get(first) ?? [];
    folders.set(first, inside);
    if (deeper.length === 0) inside.push(second);
  }
  return { files, folders };
}

/** One name for the state of all objects: any change of any of them changes it. */
function fingerprint(files: ReadonlyMap<string, S3Object>): string {
  const digest = createHash("sha256");
  for (const path of [...files.keys()].sort()) {
    const { bytes, etag, lastModified } = files.get(path) ?? {};
    digest.update(`${path}\n${bytes}\n${etag}\n${lastModified}\n`);
  }
  return digest.digest("hex");
}

async function fetchFiles(
  files: ReadonlyMap<string, S3Object>,
  { location, client, context, into }: Fetching,
): Promise<void> {
  const { shown, bytesMax } = context;
  const promised = new ByteBudget(bytesMax, shown);
  for (const { bytes } of files.values()) promised.take(bytes);
  await clearFolder(into);
  const folders = selectFolders([...files.keys()], into);
  for (const folder of folders) await makeFolder(folder);
  const budget = new ByteBudget(bytesMax, shown);
  await inParallel([...files], context.signal, ([path, { key }], signal) => {
    const at = { ...context, shown: `s3://${location.bucket}/${key}`, signal };
    const object = { bucket: location.bucket, key };
    return fetchFile(object, { client, context: at, budget }, join(into, path));
  });
  for (const folder of folders) await onDisk(syncFolder(folder));
}

function selectFolders(paths: readonly string[], root: string): string[] {
  const folders = new Set([root]);
  for (const path of paths) {
    for (let folder = dirname(join(root, path)); folder !== root; folder = dirname(folder)) {
      folders.add(folder);
    }
  }
  return [...folders].sort();
}

/** Runs a few at a time. The first failure ends the others, which would only fill the disk. */
async function inParallel<T>(
  items: readonly T[],
  signal: AbortSignal,
  run: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const work = async (): Promise<void> => {
    try {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        await run(item, either);
      }
    } catch (cause) {
      failure.abort(cause);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, work));
  either.throwIfAborted();
}

async function fetchFile(
  location: S3Location,
  how: { readonly client: S3Client; readonly context: FetchContext; readonly budget: ByteBudget },
  path: string,
): Promise<void> {
  const { shown, signal } = how.context;
  await retry(async () => {
    await onDisk(rm(path, { force: true }));
    const reply = await how.client.get({ ...location, shown }, signal);
    const md5 = selectMd5(reply);
    const body = md5 === undefined ? receive(reply) : verified(receive(reply), md5);
    await saveStream(body, path, how.budget);
  }, how.context);
}

/**
 * The MD5 of an object, if its ETag is one: that of a single upload is, unless it was encrypted
 * with a key of KMS or of the customer; that of a multipart upload ends in a dash and the parts' number.
 */
function selectMd5({ headers }: HttpReply): string | undefined {
  if (String(headers["x-amz-server-side-encryption"] ?? "").startsWith("aws:kms")) return undefined;
  if (headers["x-amz-server-side-encryption-customer-algorithm"] !== undefined) return undefined;
  return /^"([0-9a-f]{32})"$/.exec(headers.etag ?? "")?.[1];
}
