import { join } from "node:path";

import { createHttpClient } from "../storage/http-client.ts";
import { createHttpsOrigin } from "../storage/https-origin.ts";
import { createLocalArchive } from "../storage/local-archive.ts";
import { listLocal } from "../storage/local.ts";
import type { Fetch, FetchContext } from "../storage/origin.ts";
import { DEFAULT_RETRY } from "../storage/retry.ts";
import type { RetryNotice, RetryPolicy } from "../storage/retry.ts";
import { createS3Client } from "../storage/s3-client.ts";
import { createS3Origin } from "../storage/s3-origin.ts";
import { readSecretFolder, selectS3Settings } from "../storage/s3-settings.ts";
import type { Variables } from "../storage/s3-settings.ts";
import { StorageError } from "../storage/storage-error.ts";
import type { StorageLocation } from "../storage/uri.ts";
import { Copies, modelFolder } from "./copies.ts";
import type { Copy } from "./copies.ts";
import { selectVersions, selectWrapping } from "./layout.ts";
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
}

export interface Surroundings {
  readonly environment: Variables;
  readonly signal: AbortSignal;
}

/**
 * Copies a model below MODEL_DIR, unless a copy of its present state is there already, and says
 * which versions it has. When the storage does not answer, an earlier copy is served.
 */
export async function fetchModel(
  location: StorageLocation,
  options: FetchOptions,
  { environment, signal }: Surroundings,
): Promise<ModelVersion[]> {
  const context = contextOf(options, { environment, signal });
  try {
    const fetch = await selectOrigin(location, environment, context);
    const copies = new Copies(options.modelDir, options.storageUri ?? options.modelDir);
    const copy = await renew(copies, fetch, options);
    return await readCopy(copy, options.shown);
  } finally {
    context.http.close();
  }
}

/**
 * Puts what lies at `location` into `folder`, whatever kind of model it is: for the servers of
 * others, which find it there. A single file keeps its name, an archive is unpacked.
 */
export async function downloadModel(
  location: StorageLocation,
  folder: string,
  options: FetchOptions & { readonly fileName: string },
  surroundings: Surroundings,
): Promise<void> {
  const context = { ...contextOf(options, surroundings), fileName: options.fileName };
  try {
    const fetch = await selectOrigin(location, surroundings.environment, context);
    await fetch(folder, undefined);
  } finally {
    context.http.close();
  }
}

function contextOf(
  { shown, modelBytesMax, policy, onRetry }: FetchOptions,
  { environment, signal }: Surroundings,
): FetchContext {
  const http = createHttpClient({
    // Plain HTTP is for tests on one machine, whose address is private.
    allowPrivate:
      environment["ALLOW_PRIVATE_NETWORKS"] === "true" ||
      environment["ALLOW_INSECURE_HTTP"] === "true",
  });
  return { http, signal, shown, bytesMax: modelBytesMax, policy: policy ?? DEFAULT_RETRY, onRetry };
}

async function selectOrigin(
  location: StorageLocation,
  environment: Variables,
  context: FetchContext,
): Promise<Fetch> {
  if (location.scheme === "https") return createHttpsOrigin(location.url, context);
  if (location.scheme !== "s3") return createLocalArchive(location.path, context);
  const folder = environment["AWS_CREDENTIALS_DIR"];
  const secret = folder ? await readSecretFolder(folder) : {};
  const settings = selectS3Settings(environment, secret, context.shown);
  return createS3Origin(location, createS3Client(settings, context.http), {
    ...context,
    check: (listing) => {
      if (context.fileName === undefined) selectVersions(listing, context.shown);
    },
  });
}

/** The copy of the present state: the one that is there, if nothing changed, or a new one. */
async function renew(
  copies: Copies,
  fetch: Fetch,
  { shown, onStale }: FetchOptions,
): Promise<Copy> {
  const known = await copies.find();
  const staged = await copies.stage();
  try {
    const fetched = await fetch(modelFolder(staged), known?.validator);
    if (fetched.kind === "fetched") {
      await readCopy(staged, shown);
      return await copies.publish(staged, fetched.validator);
    }
    await copies.discard(staged);
    if (known !== undefined) return known;
    throw new StorageError("unavailable", `${shown}: "not modified", but nothing was fetched yet`);
  } catch (cause) {
    await copies.discard(staged);
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
