import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A temporary folder of a test. */
export interface TestFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a temporary folder; disposing removes it with all that is in it. */
export async function makeFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), "pilotlight-storage-"));
  return {
    path,
    [Symbol.asyncDispose]: async () => rm(path, { recursive: true, force: true }),
  };
}

/** Runs a test in a temporary folder, which is gone afterwards. */
export async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  await using folder = await makeFolder();
  await test(folder.path);
}

const NOBODY = 65534;

/** Runs a part of a test in which nothing below the folder can be written, by root neither. */
export async function withoutWriting(folder: string, test: () => Promise<void>): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const folders = new Set([folder, ...entries.map(({ parentPath }) => parentPath)]);
  for (const entry of entries) {
    if (entry.isDirectory()) folders.add(join(entry.parentPath, entry.name));
  }
  const setModes = async (mode: number): Promise<void> => {
    for (const each of folders) await chmod(each, mode);
  };
  await setModes(0o555);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    await test();
  } finally {
    if (isRoot) process.seteuid?.(0);
    await setModes(0o755);
  }
}
