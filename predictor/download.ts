/**
 * `predictor download`: fetches the model of STORAGE_URI into MODEL_DIR and ends. It runs before
 * servers that cannot fetch a model themselves, and fails with the predictor's own exit codes.
 */
import { cp } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConfigError, parseConfig } from "./config.ts";
import type { Config, Environment } from "./config.ts";
import { messageOf } from "./errors.ts";
import { end, exitCodeOf, exitCodes, lastWords } from "./exit.ts";
import { findInstallation, relocate } from "./repository/installation.ts";
import { downloadModel } from "./repository/remote.ts";
import { isLocalArchive, localError, probeLocal } from "./storage/local.ts";
import { makeFolder } from "./storage/place.ts";
import { parseStorageUri, shownUri } from "./storage/uri.ts";
import type { StorageLocation } from "./storage/uri.ts";

/** How what it says when all went well begins (docs/runtime-contract.md). */
const DIGEST_WORDS = "model digest";

/** Ends the process: 0 when the model is there, else the runtime contract's exit codes. */
export async function runDownload(
  args: readonly string[],
  environment: Environment,
): Promise<never> {
  let config: Config | undefined;
  try {
    config = parseConfig(args, environment);
    if (config.storageUri === undefined) {
      throw new ConfigError(["STORAGE_URI is not set: it says what to download"]);
    }
    const digest = await download(config, config.storageUri);
    if (digest !== undefined) lastWords(config, `${DIGEST_WORDS} ${digest}`);
  } catch (error) {
    const terminationLog = config?.terminationLog ?? "/dev/termination-log";
    const usage = error instanceof ConfigError;
    return end({ terminationLog }, usage ? exitCodes.usage : exitCodeOf(error), messageOf(error));
  }
  process.stdout.write(`downloaded ${shownUri(config.storageUri ?? "")} to ${config.modelDir}\n`);
  process.exit(0);
}

async function download(config: Config, uri: string): Promise<string | undefined> {
  const { environment, modelDir, modelBytesMax } = config;
  const location = parseStorageUri(uri, environment["ALLOW_INSECURE_HTTP"] === "true");
  const shown = shownUri(uri);
  await makeFolder(modelDir);
  if (location.scheme === "file" && (await copied(location.path, modelDir, shown))) {
    return undefined;
  }
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort(new Error("stopped before the model was there")));
  const onRetry = (notice: object): void => {
    process.stderr.write(`storage failed, trying again: ${JSON.stringify(notice)}\n`);
  };
  const options = { shown, modelDir, modelBytesMax, onRetry, fileName: fileName(location) };
  const from = location.scheme === "file" ? { ...location, path: onDisk(location.path) } : location;
  return downloadModel(from, modelDir, options, { environment, signal: stop.signal });
}

/** Whether what lies on this machine was copied as it is; an archive was not. */
async function copied(path: string, folder: string, shown: string): Promise<boolean> {
  const from = onDisk(path);
  const kind = await probeLocal(from, shown);
  if (kind === "file" && (await isLocalArchive(from, shown))) {
    return false;
  }
  try {
    // Links are followed: mounts are full of them, and what they lead to is not in the other pod.
    await cp(from, kind === "file" ? join(folder, basename(from)) : folder, {
      recursive: true,
      dereference: true,
    });
  } catch (cause) {
    throw localError(cause, shown);
  }
  return true;
}

function onDisk(path: string): string {
  return relocate(path, findInstallation(import.meta.dirname));
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // A lone % is part of the name then.
    return path;
  }
}

/** A single file is named like the end of its address. */
function fileName(location: StorageLocation): string {
  const path =
    location.scheme === "https"
      ? decoded(location.url.pathname)
      : "key" in location
        ? location.key
        : "";
  const name = basename(path);
  return name === "" || name === "." || name === ".." ? "model" : name;
}
