/** Where this program is installed: a checkout, the package's folder, or /opt/pilotlight of the image. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Where manifests say that the installation is, whatever folder it really has (docs/runtime-
 * contract.md).
 */
export const NOMINAL_ROOT = "/opt/pilotlight";

export interface Installation {
  /** Folder that holds examples/, crds/ and, in a checkout, predictor/. */
  readonly root: string;
  readonly version: string;
}

/** Finds the installation that the module at `moduleUrl` belongs to: the nearest folder upwards with our package.json. */
export function findInstallation(moduleUrl: string): Installation {
  const start = path.dirname(fileURLToPath(moduleUrl));
  for (let folder = start; ; folder = path.dirname(folder)) {
    const version = packageVersion(path.join(folder, "package.json"));
    if (version !== undefined) {
      return { root: folder, version };
    }
    if (folder === path.dirname(folder)) {
      return { root: start, version: "unknown" };
    }
  }
}

/**
 * The predictor's program: `predictor.cjs` beside a bundle, `predictor/main.ts` in a checkout. It is found and run, never
 * imported: the two programs meet in docs/runtime-contract.md alone.
 */
export function findPredictor(moduleUrl: string, root: string): string | undefined {
  const beside = path.join(path.dirname(fileURLToPath(moduleUrl)), "predictor.cjs");
  const candidates = [
    beside,
    path.join(root, "predictor/main.ts"),
    path.join(root, "predictor.cjs"),
  ];
  return candidates.find((candidate) => existsSync(candidate));
}

function packageVersion(file: string): string | undefined {
  if (!existsSync(file)) {
    return undefined;
  }
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof parsed !== "object" || parsed === null || !("name" in parsed)) {
    return undefined;
  }
  if (parsed.name !== "pilotlight") {
    return undefined;
  }
  return "version" in parsed && typeof parsed.version === "string" ? parsed.version : "unknown";
}
