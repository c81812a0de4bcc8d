import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";

import { writeArchive, type Layer } from "../image/image-archive.ts";
import { digestFile, writeLayer } from "../image/layer.ts";

/** A file of an image: where it comes from, and its absolute path there. */
export interface ImageFile {
  readonly source: string;
  readonly path: string;
  readonly mode?: number;
}

export interface ScratchImage {
  /** Name and tag, for instance "dev.local/pause:v1". */
  readonly tag: string;
  readonly files: readonly ImageFile[];
  readonly entrypoint: readonly string[];
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Writes an image of one layer, made of nothing but the given files, as the tar that
 * `docker save` would write. The same files make the same bytes.
 */
export async function writeScratchImage(image: ScratchImage, tarPath: string): Promise<void> {
  await mkdir(dirname(tarPath), { recursive: true });
  const path = `${tarPath}.${randomUUID()}.layer`;
  try {
    const files = image.files.map((file) => ({ kind: "file" as const, mode: 0o755, ...file }));
    await writeLayer(files, path);
    const layer = { path, digest: await digestFile(path) };
    const config = JSON.stringify(imageConfig(image, layer));
    await writeArchive(tarPath, { name: image.tag, config, layers: [layer] });
  } finally {
    await rm(path, { force: true });
  }
}

function imageConfig(image: ScratchImage, layer: Layer): unknown {
  return {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: {
      Entrypoint: image.entrypoint,
      Env: Object.entries({ PATH: "/usr/bin:/bin", ...image.env }).map(([k, v]) => `${k}=${v}`),
      ...(image.user === undefined ? {} : { User: image.user }),
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${layer.digest}`] },
  };
}
