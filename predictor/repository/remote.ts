import { join } from "node:path";

import { parseHostRules } from "../storage/host-rules.ts";
import { createHttpClient } from "../storage/http-client.ts";
import { createHttpsOrigin } from "../storage/https-origin.ts";
import { createLocalArchive } from "../storage/local-archive.ts";
import { listLocal } from "../storage/local.ts";
import type { FolderListing } from "../storage/local.ts";
import type { Fetch, FetchContext } from "../storage/origin.ts";
import { DEFAULT_RETRY } from "../storage/retry.ts";
import type { RetryNotice, RetryPolicy } from "../storage/retry.ts";
import { readCredentials } from "../storage/credentials.ts";
import { createObjectOrigin, listObjects, selectFiles } from "../storage/object-origin.ts";
import { openStore } from "../storage/open-store.ts";
import type { Variables } from "../storage/s3-settings.ts";
import { StorageError } from "../storage/storage-error.ts";
import type { StorageLocation } from "../storage/uri.ts";
import { Copies, modelFolder } from "./copies.ts";
import type { Copy } from "./copies.ts";
import { selectVersions, selectWrapping } from "./layout.ts";
import { FILES_MAX, selectModels } from "./model-index.ts";
import type { IndexedModel } from "./model-index.ts";
import { readFolder } from "./read-folder.ts";
import type { ModelVersion } from "./read-folder.ts";

export interface FetchOptions {
  readonly storageUri?: string | undefined;
  readonly modelDir: string;
  readonly modelBytesMax: number;
  readonly shown: string;
  readonly policy?: RetryPolicy;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
  readonly onStale?: ((cause: Error) => void) | undefined;
  /** Copies of earlier states stay until forgetOlderCopies(): they are still served. */
  readonly keepOlder?: boolean;
}

export interface Surroundings {
  readonly environment: Variables;
  readonly signal: AbortSignal;
}

/**
 * Copies a model below MODEL_DIR, unless a copy of its present state is there already, and says
 * which versions it has. When the storage does not answer, an earlier copy is served. The digest is
 * that of its contents, if it is known.
 */
export async function fetchModel(
  location: StorageLocation,
  options: FetchOptions,
  { environment, signal }: Surroundings,
): Promise<{ readonly versions: ModelVersion[]; readonly digest: string | undefined }> {
  const context = contextOf(options, { environment, signal });
  try {
    const fetch = await selectOrigin(location, environment, context);
    const copies = new Copies(options.modelDir, options.storageUri ?? options.modelDir);
    const copy = await copies.exclusively(signal, async () => renew(copies, fetch, options));
    return { versions: await readCopy(copy, options.shown), digest: copy.digest };
  } finally {
    context.http.close();
  }
}

/**
 * Puts what lies at `location` into `folder`, whatever kind of model it is: for the servers of
 * others, which find it there. A single file keeps its name, an archive is unpacked. Resolves to
 * the digest of the contents, if it is known.
 */
export async function downloadModel(
  location: StorageLocation,
  folder: string,
  options: FetchOptions & { readonly fileName: string },
  surroundings: Surroundings,
): Promise<string | undefined> {
  const context = { ...contextOf(options, surroundings), fileName: options.fileName };
  try {
    const fetch = await selectOrigin(location, surroundings.environment, context);
    const fetched = await fetch(folder, undefined);
    return fetched.kind === "fetched" ? fetched.digest : undefined;
  } finally {
    context.http.close();
  }
}

function contextOf(
  { shown, modelBytesMax, policy, onRetry }: FetchOptions,
  { environment, signal }: Surroundings,
): FetchContext {
  const ports = environment["ALLOWED_PORTS"]?.split(",").map(Number);
  const http = createHttpClient({
    ...(ports && { ports }),
    hosts: parseHostRules(environment),
    // Plain HTTP is for tests on one machine, whose address is private.
    allowPrivate:
      environment["ALLOW_PRIVATE_NETWORKS"] === "true" ||
      environment["ALLOW_INSECURE_HTTP"] === "true",
  });
  return { http, signal, shown, bytesMax: modelBytesMax, policy: policy ?? DEFAULT_RETRY, onRetry };
}

/** Removes the copies of earlier states of a storage URI. */
export async function forgetOlderCopies(modelDir: string, storageUri: string): Promise<void> {
  await new Copies(modelDir, storageUri).forgetOlder();
}

async function selectOrigin(
  location: StorageLocation,
  environment: Variables,
  context: FetchContext,
): Promise<Fetch> {
  const check = (listing: FolderListing): void => {
    // What is fetched for another server may be any kind of model.
    if (context.fileName === undefined) selectVersions(listing, context.shown);
  };
  switch (location.scheme) {
    case "file":
    case "pvc":
      return createLocalArchive(location.path, context);
    case "https":
      return createHttpsOrigin(location.url, context);
    case "oci": {
      const { createOciOrigin } = await import("../storage/oci-origin.ts");
      const { readRegistryLogin } = await import("../storage/oci-auth.ts");
      const variables = await readCredentials(environment);
      const login = await readRegistryLogin(location.registry, variables);
      const insecureHttp = environment["ALLOW_INSECURE_HTTP"] === "true";
      return createOciOrigin(location, { login, insecureHttp }, context);
    }
    default: {
      const store = await openStore(location, environment, context);
      return createObjectOrigin(location.key, store, { ...context, check });
    }
  }
}

/**
 * The models below a prefix of an object store, each of its folders and files being one. Rejects
 * with StorageError.
 */
export async function indexRemote(
  location: StorageLocation,
  options: FetchOptions,
  { environment, signal }: Surroundings,
): Promise<IndexedModel[]> {
  const { shown, storageUri = "" } = options;
  const { scheme } = location;
  if (scheme === "https" || scheme === "oci" || scheme === "file" || scheme === "pvc") {
    const what = `${shown}: ${scheme}:// can't be listed, so it can't be a repository of many models`;
    throw new StorageError("invalid", `${what}; use a folder, a claim, or an object store`);
  }
  const context = contextOf(options, { environment, signal });
  try {
    const store = await openStore(location, environment, context);
    const { key } = location;
    const prefix = key === "" || key.endsWith("/") ? key : `${key}/`;
    const files = selectFiles(await listObjects(store, prefix, context, FILES_MAX), prefix, shown);
    const [uri = "", query] = storageUri.split("?", 2);
    const uriOf = (path: string): string =>
      `${uri.replace(/\/$/, "")}/${path}${query === undefined ? "" : `?${query}`}`;
    const indexed = [...files].map(([path, { bytes, tag }]) => ({ path, bytes, tag }));
    return selectModels(indexed, uriOf, shown);
  } finally {
    context.http.close();
  }
}

/** The copy of the present state: the one that is there, if nothing changed, or a new one. */
async function renew(
  copies: Copies,
  fetch: Fetch,
  { shown, onStale, keepOlder = false }: FetchOptions,
): Promise<Copy> {
  const known = await copies.find();
  let staged: Copy | undefined;
  try {
    staged = await copies.stage();
    const fetched = await fetch(modelFolder(staged), known?.validator);
    if (fetched.kind === "fetched") {
      await readCopy(staged, shown);
      return await copies.publish(staged, fetched, { keepOlder });
    }
    await copies.discard(staged);
    if (known !== undefined) return known;
    throw new StorageError("unavailable", `${shown}: "not modified", but nothing was fetched yet`);
  } catch (cause) {
    if (staged !== undefined) await copies.discard(staged).catch(() => {}); // The next start does.
    const unavailable = cause instanceof StorageError && cause.code === "unavailable";
    if (known === undefined || !unavailable) throw cause;
    onStale?.(cause);
    return known;
  }
}

async function readCopy(copy: Copy, shown: string): Promise<ModelVersion[]> {
  const folder = modelFolder(copy);
  const wrapping = selectWrapping(await listLocal(folder, shown));
  return readFolder(wrapping === undefined ? folder : join(folder, wrapping), shown);
}
