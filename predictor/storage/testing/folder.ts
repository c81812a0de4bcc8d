import { mkdtemp, rm } from "node:fs/promises";
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
