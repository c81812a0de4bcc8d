import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";

import { HASHED_BYTES_MAX, contentsDigest } from "../storage/contents.ts";
import { listLocal, probeLocal } from "../storage/local.ts";

/** More files than these are not looked at. */
const FILES_MAX = 1000;

/**
 * The digest of a model that is served from where it lies. On a claim, which all pods share, size
 * and time tell one state from another. Elsewhere each pod may have files of its own (an image, a
 * ConfigMap, an init container), and only the bytes tell: of a small model, since to read a large
 * one for this would cost what its start is not allowed to. Never rejects.
 */
export async function localDigest(path: string, isShared: boolean): Promise<string | undefined> {
  try {
    const files = (await probeLocal(path, path)) === "file" ? [""] : await filesBelow(path);
    if (files.length > FILES_MAX) return undefined;
    const stats = await Promise.all(files.map(async (file) => stat(join(path, file))));
    const bytes = stats.reduce((sum, { size }) => sum + size, 0);
    if (!isShared && bytes > HASHED_BYTES_MAX) return undefined;
    const states = files.map(async (file, at) => ({
      path: file,
      state: isShared
        ? `file:${stats[at]?.size} ${stats[at]?.mtimeMs}`
        : `sha256:${createHash("sha256")
            .update(await readFile(join(path, file)))
            .digest("hex")}`,
    }));
    return contentsDigest(await Promise.all(states));
  } catch {
    // Nobody's request depends on it, and what is wrong with the folder is told by the load.
    return undefined;
  }
}

/** Hidden names are no part of a model: copies of others lie below one. */
async function filesBelow(path: string): Promise<string[]> {
  const { files, folders } = await listLocal(path, path);
  const inside = [...folders].flatMap(([name, names]) => names.map((file) => `${name}/${file}`));
  return [...files, ...inside].filter((file) => !file.startsWith("."));
}
