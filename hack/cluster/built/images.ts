import { rm } from "node:fs/promises";
import { join } from "node:path";
import { recipeOf, type BinaryName } from "../../go/modules.ts";
import { writeScratchImage, type ScratchImage } from "../scratch-image.ts";
import { imageTag } from "./config.ts";
import type { Paths } from "./state.ts";

/** Binaries that run as pods; the others of the table run as processes of the node. */
export const IMAGE_BINARIES = [
  "pause",
  "coredns",
  "knative-controller",
  "knative-webhook",
  "knative-autoscaler",
  "knative-activator",
  "knative-queue",
] as const satisfies readonly BinaryName[];

/** As in the images that Knative publishes: pods with runAsNonRoot need a number. */
const USER = "65532:65532";

/** The image reference under which a binary's image is known on the node. */
export function imageOf(name: BinaryName): string {
  return imageTag(name, recipeOf(name).version);
}

/** An image that holds one static binary and nothing else. */
function imageOfBinary(name: BinaryName, source: string): ScratchImage {
  return {
    tag: imageOf(name),
    files: [{ source, path: `/${name}` }],
    entrypoint: [`/${name}`],
    user: USER,
  };
}

/** Makes the images of the cluster's own pods known to its container runtime. */
export async function importImages(
  paths: Paths,
  binaries: Readonly<Record<(typeof IMAGE_BINARIES)[number], string>>,
  importImage: (tarPath: string) => Promise<void>,
): Promise<void> {
  for (const name of IMAGE_BINARIES) {
    const tar = join(paths.folder, `${name}.tar`);
    try {
      await writeScratchImage(imageOfBinary(name, binaries[name]), tar);
      await importImage(tar);
    } finally {
      await rm(tar, { force: true });
    }
  }
}
