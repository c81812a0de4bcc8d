/** The credentials of a mounted Secret, beside those of the environment, for every store. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import type { Variables } from "./s3-settings.ts";
import { StorageError } from "./storage-error.ts";

const VARIABLE = /^[A-Z][A-Z0-9_]{0,63}$/;
const BYTES_MAX = 64 * 1024;
/** KServe's name of a service account's key in a Secret, and the plain one. */
const GOOGLE_KEYS = ["gcloud-application-credentials.json", "key.json"];
const DOCKER_FILES = [".dockerconfigjson", "config.json"];

/**
 * The environment, and below it the files of STORAGE_CREDENTIALS_DIR (or AWS_CREDENTIALS_DIR):
 * those named like variables are variables; a Google key and a Docker configuration are found by
 * their names. Empty variables count as unset. Rejects with StorageError.
 */
export async function readCredentials(environment: Variables): Promise<Variables> {
  const folder = environment["STORAGE_CREDENTIALS_DIR"] || environment["AWS_CREDENTIALS_DIR"];
  const found: Record<string, string> = {};
  if (folder) {
    for (const name of await listSecret(folder)) {
      if (GOOGLE_KEYS.includes(name)) found["GOOGLE_APPLICATION_CREDENTIALS"] = join(folder, name);
      if (DOCKER_FILES.includes(name)) found["DOCKER_CONFIG"] = folder;
      if (VARIABLE.test(name)) found[name] = (await readSecret(join(folder, name))).trim();
    }
  }
  for (const [name, value] of Object.entries(environment)) if (value) found[name] = value;
  return found;
}

async function listSecret(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw unreadable(folder, cause);
  }
}

async function readSecret(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).slice(0, BYTES_MAX);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): StorageError {
  return new StorageError(
    "access-denied",
    `STORAGE_CREDENTIALS_DIR ${path}: can't be read (${String(cause)}); mount the Secret there`,
    { cause },
  );
}
