/**
 * From a storage URI to files that onnxruntime can open. What lies on this machine is served where
 * it is; everything else is put below MODEL_DIR, complete or not at all.
 */
import { join } from "node:path";

import { listLocal, probeLocal, refuseForeignFile } from "../storage/local.ts";
import { parseStorageUri, shownUri } from "../storage/uri.ts";
import type { StorageLocation } from "../storage/uri.ts";
import { findInstallation, relocate } from "./installation.ts";
import { selectVersions } from "./layout.ts";
import { selectModelName } from "./model-name.ts";

export { StorageError } from "../storage/storage-error.ts";

/** A model that lies on this machine; versions ascend, the last one is served by default. */
export interface ResolvedModel {
  readonly name: string;
  readonly versions: readonly ModelVersion[];
}

/** One version and the absolute path of its .onnx file. */
export interface ModelVersion {
  readonly version: string;
  readonly path: string;
}

export interface ResolveOptions {
  /** Without it, what lies in modelDir is served. */
  readonly storageUri?: string | undefined;
  /** Where mounted models lie and downloaded ones are put. */
  readonly modelDir: string;
  /** Without it, the name of the model's file or folder. */
  readonly modelName?: string | undefined;
  /** Neither a download nor an unpacked archive may be larger. */
  readonly modelBytesMax: number;
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
  signal.throwIfAborted();
  const uri = options.storageUri ?? options.modelDir;
  const location = parseStorageUri(uri, environment["ALLOW_INSECURE_HTTP"] === "true");
  const name = options.modelName ?? selectModelName(location);
  const versions = await resolveLocal(localPath(location, options), shownUri(uri));
  return { name, versions };
}

function localPath(location: StorageLocation, options: ResolveOptions): string {
  if (location.scheme === "pvc") return join(options.modelDir, location.path);
  if (location.scheme === "file") {
    return relocate(location.path, findInstallation(import.meta.dirname));
  }
  throw new Error(`${location.scheme} is not local`);
}

async function resolveLocal(path: string, shown: string): Promise<ModelVersion[]> {
  if ((await probeLocal(path, shown)) === "file") {
    await refuseForeignFile(path, shown);
    return [{ version: "1", path }];
  }
  const versions = selectVersions(await listLocal(path, shown), shown);
  for (const { file } of versions) await refuseForeignFile(join(path, file), `${shown}/${file}`);
  return versions.map(({ version, file }) => ({ version, path: join(path, file) }));
}
