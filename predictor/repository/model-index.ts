/**
 * The models of a repository: every folder, .onnx file and archive directly below a place is one,
 * named like it.
 */
import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { localError } from "../storage/local.ts";
import { StorageError } from "../storage/storage-error.ts";

/** A model that has not been fetched; `uri` is its own storage URI. */
export interface IndexedModel {
  readonly name: string;
  readonly uri: string;
  /** Of all its files. */
  readonly bytes: number;
  /** Another one means that the model changed. */
  readonly fingerprint: string;
}

/** What an index is made of: the objects of a store, or files. */
export interface IndexedFile {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly bytes: number;
  /** Changes whenever the content does. */
  readonly tag: string;
}

export const FILES_MAX = 100_000;
const MODELS_MAX = 10_000;
const DEPTH_MAX = 8;
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const FILE_OF_ONE = /\.(onnx|tar|tar\.gz|tgz|tar\.zst|tzst|zip)$/i;

/**
 * Groups files into models, by name. `uriOf` gives the storage URI of a path below the repository.
 * Throws StorageError "invalid" when two models would have one name, "not-found" without any.
 */
export function selectModels(
  files: readonly IndexedFile[],
  uriOf: (path: string) => string,
  shown: string,
): IndexedModel[] {
  const groups = new Map<string, { uri: string; files: IndexedFile[] }>();
  for (const file of files) {
    const [first = "", ...rest] = file.path.split("/");
    const single = rest.length === 0;
    const name = single ? first.replace(FILE_OF_ONE, "") : first;
    // README.md and the like beside the models; .git, ..data.
    if (!MODEL_NAME.test(name) || (single && !FILE_OF_ONE.test(first))) continue;
    const uri = uriOf(single ? first : `${first}/`);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { uri, files: [file] });
    else if (group.uri === uri) group.files.push(file);
    else throw twice(name, shown);
  }
  if (groups.size > MODELS_MAX) {
    throw new StorageError("invalid", `${shown}: more than ${MODELS_MAX} models; divide it`);
  }
  if (groups.size > 0) return [...groups].map(([name, group]) => indexed(name, group)).sort(byName);
  throw new StorageError(
    "not-found",
    `${shown}: no model there; every folder, .onnx file and archive below it is one`,
  );
}

/** The models below a folder of this machine. */
export async function readLocalIndex(folder: string, shown: string): Promise<IndexedModel[]> {
  const files: IndexedFile[] = [];
  try {
    await walk(folder, "", files, shown);
  } catch (cause) {
    throw localError(cause, shown);
  }
  return selectModels(files, (path) => join(folder, path), shown);
}

async function walk(
  root: string,
  below: string,
  files: IndexedFile[],
  shown: string,
): Promise<void> {
  for (const name of await readdir(join(root, below))) {
    if (name.startsWith(".")) continue;
    const path = below === "" ? name : `${below}/${name}`;
    const found = await statIfThere(join(root, path));
    if (found?.isDirectory() && path.split("/").length < DEPTH_MAX) {
      await walk(root, path, files, shown);
    }
    if (!found?.isFile()) continue;
    files.push({ path, bytes: found.size, tag: `${found.mtimeMs} ${found.ino}` });
    if (files.length > FILES_MAX) {
      throw new StorageError("invalid", `${shown}: more than ${FILES_MAX} files; divide it`);
    }
  }
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw cause;
  }
}

function indexed(
  name: string,
  { uri, files }: { readonly uri: string; readonly files: readonly IndexedFile[] },
): IndexedModel {
  const digest = createHash("sha256");
  let bytes = 0;
  for (const file of [...files].sort((one, other) => (one.path < other.path ? -1 : 1))) {
    digest.update(`${file.path}\n${file.bytes}\n${file.tag}\n`);
    bytes += file.bytes;
  }
  return { name, uri, bytes, fingerprint: digest.digest("hex") };
}

function byName(one: IndexedModel, other: IndexedModel): number {
  return one.name < other.name ? -1 : 1;
}

function twice(name: string, shown: string): StorageError {
  return new StorageError(
    "invalid",
    `${shown}: both a folder and a file, or two files, are the model "${name}"; remove one of them`,
  );
}
