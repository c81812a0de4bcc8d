import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** The bytes of the files in a folder whose names are wanted; of those below it, too, when `deep`. */
export async function folderBytes(
  folder: string,
  wanted: (name: string) => boolean,
  deep = false,
): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && deep) bytes += await folderBytes(path, wanted, deep);
    else if (!entry.isDirectory() && wanted(entry.name)) bytes += (await stat(path)).size;
  }
  return bytes;
}
