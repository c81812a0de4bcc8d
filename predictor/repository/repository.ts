/**
 * From a storage URI to files that onnxruntime can open. What lies on this machine is served where
 * it is; everything else is put below MODEL_DIR, complete or not at all.
 */
import { isLocalArchive, probeLocal, refuseForeignFile } from "../storage/local.ts";
import type { RetryNotice, RetryPolicy } from "../storage/retry.ts";
import { StorageError } from "../storage/storage-error.ts";
import { parseStorageUri, shownUri } from "../storage/uri.ts";
import type { StorageLocation } from "../storage/uri.ts";
import { findInstallation, relocate } from "./installation.ts";
import { readLocalIndex } from "./model-index.ts";
import type { IndexedModel } from "./model-index.ts";
import { selectModelName } from "./model-name.ts";
import { readFolder } from "./read-folder.ts";
import type { ModelVersion } from "./read-folder.ts";
import { selectByPolicy } from "./version-policy.ts";
import type { VersionPolicy } from "./version-policy.ts";

export { StorageError };
export type { ModelVersion };

/** A model that lies on this machine; versions ascend, the last one is served by default. */
export interface ResolvedModel {
  readonly name: string;
  readonly versions: readonly ModelVersion[];
  /** Of its contents (storage/contents.ts), if anybody knows them. Never rejects. */
  readonly digest: () => Promise<string | undefined>;
}

export interface ResolveOptions {
  /** Without it, what lies in modelDir is served. */
  readonly storageUri?: string | undefined;
  /** Where mounted models lie and downloaded ones are put. */
  readonly modelDir: string;
  /** Without it, the name of the model's file or folder. */
  readonly modelName?: string | undefined;
  /** Which of the versions found are served; all unless told. */
  readonly versionPolicy?: VersionPolicy | undefined;
  /** Neither a download nor an unpacked archive may be larger. */
  readonly modelBytesMax: number;
  /** Copies of earlier states stay until forgetOlder(): they are still served. */
  readonly keepOlder?: boolean;
  /** How often and how soon what failed is tried again; for tests. */
  readonly policy?: RetryPolicy;
  /** Told of each failed attempt that another one follows. */
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
  /** Told when the storage is unavailable and an earlier copy is served instead. */
  readonly onStale?: ((cause: Error) => void) | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Makes the model available on this machine. Rejects with a StorageError whose message says what
 * was wrong, where, and what to do; with the signal's reason when it is aborted.
 */
export async function resolveModel(
  options: ResolveOptions,
  environment: Environment,
  signal: AbortSignal,
): Promise<ResolvedModel> {
  const { versions, ...found } = await findModel(options, environment, signal);
  return { ...found, versions: selectByPolicy(versions, options.versionPolicy ?? { is: "all" }) };
}

async function findModel(
  options: ResolveOptions,
  environment: Environment,
  signal: AbortSignal,
): Promise<ResolvedModel> {
  signal.throwIfAborted();
  const { storageUri, modelDir } = options;
  const shown = storageUri === undefined ? `MODEL_DIR ${modelDir}` : shownUri(storageUri);
  const insecureHttp = environment["ALLOW_INSECURE_HTTP"] === "true";
  const location = parseStorageUri(storageUri ?? modelDir, insecureHttp);
  const name = options.modelName ?? selectModelName(location);
  const path = selectLocalPath(location, modelDir);
  const kind = path === undefined ? undefined : await probeLocal(path, shown);
  const archive = path !== undefined && kind === "file" && (await isLocalArchive(path, shown));
  if (archive && location.scheme === "pvc") {
    throw new StorageError("invalid", `${shown}: is an archive; unpack it in the claim`);
  }
  if (path === undefined || archive) {
    // Most cold starts find their model on this machine: they don't load the code for the others.
    const { fetchModel } = await import("./remote.ts");
    const from = path === undefined ? location : { scheme: "file" as const, path };
    const found = await fetchModel(from, { ...options, shown }, { environment, signal });
    return { name, versions: found.versions, digest: async () => found.digest };
  }
  const digest = async (): Promise<string | undefined> =>
    (await import("./local-digest.ts")).localDigest(path, location.scheme === "pvc");
  if (kind === "folder") return { name, versions: await readFolder(path, shown), digest };
  await refuseForeignFile(path, shown);
  return { name, versions: [{ version: "1", path }], digest };
}

/** Removes the copies of earlier states of the model, if any were made. */
export async function forgetOlder({ storageUri, modelDir }: ResolveOptions): Promise<void> {
  if (storageUri === undefined || /^(\/|file:|pvc:)/i.test(storageUri)) return;
  const { forgetOlderCopies } = await import("./remote.ts");
  await forgetOlderCopies(modelDir, storageUri);
}

/**
 * The models of a repository: what lies directly below the storage URI. Rejects with a StorageError
 * when it can't be listed.
 */
export async function readIndex(
  options: ResolveOptions,
  environment: Environment,
  signal: AbortSignal,
): Promise<IndexedModel[]> {
  signal.throwIfAborted();
  const { storageUri, modelDir } = options;
  const shown = storageUri === undefined ? `MODEL_DIR ${modelDir}` : shownUri(storageUri);
  const insecureHttp = environment["ALLOW_INSECURE_HTTP"] === "true";
  const location = parseStorageUri(storageUri ?? modelDir, insecureHttp);
  const path = selectLocalPath(location, modelDir);
  if (path !== undefined) return readLocalIndex(path, shown);
  const { indexRemote } = await import("./remote.ts");
  return indexRemote(location, { ...options, shown }, { environment, signal });
}

/** Where a model lies that is already on this machine. */
function selectLocalPath(location: StorageLocation, modelDir: string): string | undefined {
  // The claim is mounted from that path on which the URI names.
  if (location.scheme === "pvc") return modelDir;
  if (location.scheme !== "file") return undefined;
  return relocate(location.path, findInstallation(import.meta.dirname));
}
