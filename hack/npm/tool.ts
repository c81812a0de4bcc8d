/**
 * Programs of npm that a test runs and nobody else needs: too large to be a dependency of this
 * package, so each is installed once per machine, in the cache, without install scripts.
 */
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../go/cache.ts";
import { runCommand } from "../go/command.ts";
import { withLock } from "../go/lock.ts";
import { createProgress } from "../go/progress.ts";

/** Microsoft's emulator of Azure's storage. */
export const AZURITE = ["azurite", "3.37.0"] as const;

const INSTALL_TIMEOUT_MS = 600_000;

/**
 * The folder of an installed package, installed first if need be; rejects with npm's last lines.
 */
export async function ensureNpmTool(name: string, version: string): Promise<string> {
  const folder = join(cacheFolder(), "npm", `${name}-${version}`);
  const installed = join(folder, "node_modules", name);
  await withLock(`${folder}.lock`, async () => {
    if (await exists(installed)) return;
    const staged = `${folder}.tmp`;
    await rm(staged, { recursive: true, force: true });
    await mkdir(staged, { recursive: true });
    const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", staged];
    await createProgress().step(`install ${name} ${version}`, async () => {
      await runCommand("npm", [...args, `${name}@${version}`], { timeoutMs: INSTALL_TIMEOUT_MS });
    });
    await rm(folder, { recursive: true, force: true });
    await rename(staged, folder);
  });
  return installed;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
