/** The browser of the tests: Debian's Chromium, installed when it is missing. */
import { existsSync } from "node:fs";
import { ensurePackages } from "../cluster/packages.ts";

const CANDIDATES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Path of an installed browser, or undefined. */
export function findChromium(): string | undefined {
  return CANDIDATES.find((path) => existsSync(path));
}

/** Path of a browser; installs one where it can. Throws where it cannot. */
export async function ensureChromium(): Promise<string> {
  await ensurePackages("browser");
  const path = findChromium();
  if (path === undefined) throw new Error("no Chromium, and none could be installed");
  return path;
}
