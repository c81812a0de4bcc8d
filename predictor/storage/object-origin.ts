import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";

import { contentsDigest, loneDigest, stateOf } from "./contents.ts";
import { parseEntryName } from "./entry-name.ts";
import type { HttpReply } from "./http-client.ts";
import type { FolderListing } from "./local.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import type { Fetch, FetchContext, Fetched } from "./origin.ts";
import { clearFolder, makeFolder, placeObject } from "./place.ts";
import {
  PARALLEL_BYTES_MIN,
  inParallel,
  resuming,
  saveInParts,
  strongEtag,
  verified,
  wholeLength,
} from "./ranged.ts";
import type { Digest, GetRange } from "./ranged.ts";
import { retry } from "./retry.ts";
import { ByteBudget, onDisk, saveStream, syncFolder } from "./save.ts";
import { StorageError, printable } from "./storage-error.ts";

const OBJECTS_MAX = 10_000;
const FILES_AT_ONCE = 4;
/** Names of single files and of archives; anything else is a prefix. */
const SINGLE = /\.(onnx|tar|tar\.gz|tgz|tar\.zst|tzst|zip)$/i;

export interface ObjectContext extends FetchContext {
  /** Judges a prefix by its names before anything of it is fetched; it throws. */
  readonly check: (listing: FolderListing) => void;
}

/**
 * Fetches one object, if the key ends like a model or an archive, or everything below a prefix.
 */
export function createObjectOrigin(key: string, store: ObjectStore, context: ObjectContext): Fetch {
  // What is of any kind is told from a folder by its extension.
  if (SINGLE.test(key) || (context.fileName !== undefined && /\.[a-z0-9]+$/i.test(key))) {
    return (into, known) => fetchObject({ key, store, context, into }, known);
  }
  return async (into, known) => {
    const prefix = key === "" || key.endsWith("/") ? key : `${key}/`;
    const found = await listObjects(store, prefix, context);
    const files = selectFiles(found, prefix, context.shown);
    context.check(toListing([...files.keys()]));
    const validator = fingerprint(files);
    if (validator === known) return { kind: "unchanged" };
    await fetchFiles(files, { key: prefix, store, context, into });
    return { kind: "fetched", validator, digest: contentsOf(files) };
  };
}

/** All objects below a prefix, at most `objectsMax`. */
export async function listObjects(
  store: ObjectStore,
  prefix: string,
  context: FetchContext,
  objectsMax = OBJECTS_MAX,
): Promise<StoredObject[]> {
  const { shown, signal } = context;
  const objects: StoredObject[] = [];
  let continuation: string | undefined;
  do {
    const page = { prefix, continuation, shown };
    const listing = await retry(() => store.list(page, signal), context);
    objects.push(...listing.objects);
    if (objects.length > objectsMax) {
      throw new StorageError(
        "invalid",
        `${shown}: more than ${objectsMax} objects; let storageUri name the model's own prefix`,
      );
    }
    continuation = listing.continuation;
  } while (continuation !== undefined);
  return objects;
}

interface Fetching {
  readonly key: string;
  readonly store: ObjectStore;
  readonly context: FetchContext;
  readonly into: string;
}

function fetchObject(fetching: Fetching, known: string | undefined): Promise<Fetched> {
  const { key, store, context, into } = fetching;
  const { shown, bytesMax, signal } = context;
  return retry(async () => {
    await clearFolder(into);
    const object = await store.stat?.(key, shown, signal);
    if (object !== undefined && object.tag === known) return { kind: "unchanged" };
    const ifNoneMatch = object === undefined ? known : undefined;
    const reply = await store.get({ key, ifNoneMatch, shown }, signal);
    if (reply.status === 304) return { kind: "unchanged" };
    const digest = object?.digest ?? store.digestOf(reply);
    const bytes = wholeLength(reply) ?? object?.bytes;
    const getRange = rangesOf(reply, fetching);
    const { fileName } = context;
    const placing = { into, shown, bytesMax, retrying: context, fileName };
    await placeObject(reply, { ...placing, bytes, digest, getRange });
    const tag = object?.tag ?? reply.headers.etag;
    return { kind: "fetched", validator: tag, digest: loneDigest(digest, tag) };
  }, context);
}

/** How more of the same state is asked for, if the store can. */
function rangesOf(
  reply: HttpReply,
  { key, store, context: { shown } }: Omit<Fetching, "into">,
): GetRange | undefined {
  const ifMatch = strongEtag(reply);
  if (ifMatch === undefined) return undefined;
  return (range, signal) => store.get({ key, range, ifMatch, shown }, signal);
}

/**
 * Objects by their path below the prefix; folder markers and an object of the prefix's name left
 * out.
 */
export function selectFiles(
  objects: readonly StoredObject[],
  prefix: string,
  shown: string,
): Map<string, StoredObject> {
  const files = new Map<string, StoredObject>();
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
    `${shown}: nothing there; check the bucket, the prefix and the store's endpoint`,
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
function fingerprint(files: ReadonlyMap<string, StoredObject>): string {
  const digest = createHash("sha256");
  for (const path of [...files.keys()].sort()) {
    const { bytes, tag } = files.get(path) ?? {};
    digest.update(`${path}\n${bytes}\n${tag}\n`);
  }
  return digest.digest("hex");
}

function contentsOf(files: ReadonlyMap<string, StoredObject>): string {
  return contentsDigest(
    [...files].map(([path, { digest, contents, tag }]) => {
      return { path, state: stateOf(digest, contents ?? tag) };
    }),
  );
}

async function fetchFiles(
  files: ReadonlyMap<string, StoredObject>,
  { store, context, into }: Fetching,
): Promise<void> {
  const { shown, bytesMax } = context;
  const promised = new ByteBudget(bytesMax, shown);
  for (const { bytes } of files.values()) promised.take(bytes);
  await clearFolder(into);
  const folders = selectFolders([...files.keys()], into);
  for (const folder of folders) await makeFolder(folder);
  const budget = new ByteBudget(bytesMax, shown);
  const many = { signal: context.signal, atOnce: FILES_AT_ONCE };
  await inParallel([...files], many, ([path, object], signal) => {
    const at = { ...context, shown: store.uriOf(object.key), signal };
    return fetchFile(object, { store, context: at, budget }, join(into, path));
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

async function fetchFile(
  { key, bytes, digest: listed }: StoredObject,
  how: { readonly store: ObjectStore; readonly context: FetchContext; readonly budget: ByteBudget },
  path: string,
): Promise<void> {
  const { store, context, budget } = how;
  const { shown, signal } = context;
  await retry(async () => {
    await onDisk(rm(path, { force: true }));
    const reply = await store.get({ key, shown }, signal);
    const digest: Digest | undefined = listed ?? store.digestOf(reply);
    const getRange = rangesOf(reply, { key, store, context });
    if (getRange !== undefined && bytes >= PARALLEL_BYTES_MIN) {
      reply.body.destroy();
      const state = { bytes: wholeLength(reply) ?? bytes, etag: strongEtag(reply) };
      await saveInParts(path, { ...context, ...state, getRange, digest, budget });
      return;
    }
    await saveStream(verified(resuming(reply, getRange, context), digest), path, budget);
  }, context);
}
