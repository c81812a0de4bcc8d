import { mkdir, rename, symlink } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { findBinary } from "../../go/build.ts";
import type { BinaryName } from "../../go/modules.ts";

/** What a person who works with the cluster finds on his PATH, as far as it has been built. */
const TOOLS = ["kubectl", "helm", "argocd"] as const satisfies readonly BinaryName[];

/** Gives the built tools their plain names in a folder. */
export async function linkTools(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of TOOLS) {
    const target = await findBinary(name);
    if (target !== undefined) {
      // Renamed into place: another process may be using the old link.
      const link = join(folder, `.${name}.${randomUUID()}`);
      await symlink(target, link);
      await rename(link, join(folder, name));
    }
  }
}
