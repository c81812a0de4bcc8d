import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const CLUSTER = join(import.meta.dirname, "..");

/** A hash of the code that decides what a cluster is: another code means another cluster. */
export async function clusterFingerprint(): Promise<string> {
  const built = (await readdir(import.meta.dirname))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .sort()
    .map((name) => join(import.meta.dirname, name));
  const shared = ["control-plane.ts", "envoy.ts", "scratch-image.ts", "../go/modules.ts"];
  const hash = createHash("sha256");
  for (const file of [...built, ...shared.map((name) => join(CLUSTER, name))]) {
    hash.update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}
