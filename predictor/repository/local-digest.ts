import { stat } from "node:fs/promises";
import { join } from "node:path";

import { contentsDigest } from "../storage/contents.ts";
import { listLocal, probeLocal } from "../storage/local.ts";

/** More files than these are not looked at. */
const FILES_MAX = 1000;

/**
 * The digest of a model that is served from where it lies. A file system says size and time alone;
 * to read a whole model for more would cost what its start is not allowed to. Never rejects.
 */
export async function localDigest(path: string): Promise<string | undefined> {
  try {
    const files = (await probeLocal(path, path)) === "file" ? [""] : await filesBelow(path);
    if (files.length > FILES_MAX) return undefined;
    const states = files.map(async (file) => {
      const { size, mtimeMs } = await stat(join(path, file));
      return { path: file, state: `file:${size} ${mtimeMs}` };
    });
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
