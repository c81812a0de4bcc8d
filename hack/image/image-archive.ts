/** The archive that `docker load` and `ctr images import` read. */
import { createHash } from "node:crypto";

import { addFile, addText, writeTar } from "./layer.ts";

export interface Layer {
  readonly path: string;
  /** SHA-256 of the file. */
  readonly digest: string;
}

export interface ImageSettings {
  readonly title: string;
  readonly version: string;
  readonly entrypoint: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly ports: readonly number[];
}

/** The image's configuration; its digest is the image's identity. */
export function renderConfig(settings: ImageSettings, layers: readonly Layer[]): string {
  return JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    created: new Date(0).toISOString(),
    config: {
      User: settings.user,
      Entrypoint: settings.entrypoint,
      Env: Object.entries(settings.env).map(([name, value]) => `${name}=${value}`),
      ExposedPorts: Object.fromEntries(settings.ports.map((port) => [`${port}/tcp`, {}])),
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": settings.title,
        "org.opencontainers.image.version": settings.version,
        "org.opencontainers.image.licenses": "Apache-2.0",
      },
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
  });
}

/** SHA-256 of a configuration: the image's ID. */
export function identify(config: string): string {
  return createHash("sha256").update(config).digest("hex");
}

/** Writes the archive of one image under one name. */
export async function writeArchive(
  path: string,
  image: { readonly name: string; readonly config: string; readonly layers: readonly Layer[] },
): Promise<void> {
  const config = `${identify(image.config)}.json`;
  const layers = image.layers.map(({ digest }) => `${digest}/layer.tar`);
  const manifest = [{ Config: config, RepoTags: [image.name], Layers: layers }];
  await writeTar(path, async (archive) => {
    addText(archive, "manifest.json", JSON.stringify(manifest));
    addText(archive, config, image.config);
    for (const { path: source, digest } of image.layers) {
      await addFile(archive, { name: `${digest}/layer.tar`, source, mode: 0o644 });
    }
  });
}
