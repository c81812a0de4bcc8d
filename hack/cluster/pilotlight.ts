/** Installs this checkout's Pilotlight on a cluster as a user would: its images, its chart, the real Helm. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureBinary } from "../go/build.ts";
import { runCommand } from "../go/command.ts";
import { createProgress, type Progress } from "../go/progress.ts";
import type { Cluster } from "./cluster.ts";

const ROOT = join(import.meta.dirname, "../..");
export const RELEASE = "pilotlight";
export const SYSTEM_NAMESPACE = "pilotlight-system";

/** build/images/images.json, as `npm run image` writes it. */
interface Images {
  readonly predictor: BuiltImage;
  readonly controller: BuiltImage;
}

interface BuiltImage {
  /** Name and tag; the tag holds a digest of the content. */
  readonly image: string;
  /** Path of the archive, from the repository's root. */
  readonly tar: string;
}

/** Builds, imports, and `helm upgrade --install`s; returns when the controllers are ready. */
export async function installPilotlight(
  cluster: Cluster,
  progress: Progress = createProgress(),
): Promise<void> {
  const images = await progress.step("images of controller and predictor", buildImages);
  await progress.step("images onto the nodes", async () => {
    for (const { tar } of [images.predictor, images.controller]) {
      await cluster.importImage(join(ROOT, tar));
    }
  });
  const helm = await ensureBinary("helm", progress);
  await progress.step("Pilotlight's chart", () => cluster.exec(helm, helmArgs(images)));
}

async function buildImages(): Promise<Images> {
  for (const script of ["hack/bundle.ts", "hack/image/main.ts"]) {
    await runCommand(process.execPath, [script], { cwd: ROOT });
  }
  const text = await readFile(join(ROOT, "build/images/images.json"), "utf8");
  return JSON.parse(text) as Images;
}

function helmArgs(images: Images): readonly string[] {
  return [
    "upgrade",
    "--install",
    RELEASE,
    join(ROOT, "charts/pilotlight"),
    `--namespace=${SYSTEM_NAMESPACE}`,
    "--create-namespace",
    "--wait",
    "--timeout=3m",
    ...imageValues("image", images.controller.image),
    ...imageValues("predictor.image", images.predictor.image),
  ];
}

/** `--set`s for an image of ours, which is on the nodes already and in no registry. */
function imageValues(key: string, image: string): readonly string[] {
  const colon = image.lastIndexOf(":");
  return [
    `--set-string=${key}.repository=${image.slice(0, colon)}`,
    `--set-string=${key}.tag=${image.slice(colon + 1)}`,
    `--set-string=${key}.pullPolicy=IfNotPresent`,
  ];
}
