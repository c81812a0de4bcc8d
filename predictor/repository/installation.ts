import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** Where the image keeps what it ships; the same manifest names it on every machine. */
export const INSTALLATION_DIR = "/opt/pilotlight";

const LEVELS_MAX = 5;

/**
 * The folder of this package: the nearest one above `start` that holds `examples`. In the image that
 * is INSTALLATION_DIR itself, in a checkout its root, whether bundled or not.
 */
export function findInstallation(start: string): string {
  let folder = start;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    if (existsSync(join(folder, "examples"))) return folder;
    folder = dirname(folder);
  }
  return INSTALLATION_DIR;
}

/** A path below INSTALLATION_DIR means the same file of this package, wherever it is installed. */
export function relocate(path: string, installation: string): string {
  const inside = relative(INSTALLATION_DIR, resolve(path));
  return inside.startsWith("..") ? path : join(installation, inside);
}
