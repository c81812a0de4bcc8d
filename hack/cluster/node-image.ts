import { basename, join } from "node:path";
import { runCommand } from "../go/command.ts";
import { writeScratchImage, type ImageFile } from "./scratch-image.ts";

export interface NodeImage {
  readonly tag: string;
  /** A JavaScript file, which the image runs. */
  readonly script: string;
}

const USER = "65532:65532";

/**
 * The smallest image that runs a script with this process's Node: its binary, the libraries that
 * ldd lists for it, and the script. What a predictor is compared with, and what the smoke test
 * of a cluster runs.
 */
export async function writeNodeImage(image: NodeImage, tarPath: string): Promise<void> {
  const script = join("/app", basename(image.script));
  await writeScratchImage(
    {
      tag: image.tag,
      files: [
        { source: process.execPath, path: "/app/node" },
        ...(await librariesOf(process.execPath)),
        { source: image.script, path: script, mode: 0o644 },
      ],
      entrypoint: ["/app/node", script],
      user: USER,
    },
    tarPath,
  );
}

/** The shared libraries of a binary, each at the path at which the loader looks for it. */
async function librariesOf(binary: string): Promise<ImageFile[]> {
  const { stdout } = await runCommand("ldd", [binary]);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = ""]) => ({
    source: path,
    path,
  }));
}
