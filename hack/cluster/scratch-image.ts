import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { pack, type Pack } from "tar-stream";

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

const EPOCH = new Date(0);

/**
 * Writes an image of one layer, made of nothing but the given files, as the tar that
 * `docker save` would write. The same files make the same bytes.
 */
export async function writeScratchImage(image: ScratchImage, tarPath: string): Promise<void> {
  await mkdir(dirname(tarPath), { recursive: true });
  const partial = `${tarPath}.${randomUUID()}`;
  const layer = `${partial}.layer`;
  try {
    await writeTar(layer, async (tar) => addFiles(tar, image.files));
    const digest = await digestOf(layer);
    const config = Buffer.from(JSON.stringify(imageConfig(image, digest)));
    const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
    const manifest = [{ Config: configName, RepoTags: [image.tag], Layers: ["layer.tar"] }];
    await writeTar(partial, async (tar) => {
      addBuffer(tar, "manifest.json", Buffer.from(JSON.stringify(manifest)));
      addBuffer(tar, configName, config);
      await addFile(tar, { source: layer, path: "layer.tar", mode: 0o644 });
    });
    await rename(partial, tarPath);
  } finally {
    await Promise.all([rm(layer, { force: true }), rm(partial, { force: true })]);
  }
}

function imageConfig(image: ScratchImage, layerDigest: string): unknown {
  return {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: {
      Entrypoint: image.entrypoint,
      Env: Object.entries({ PATH: "/usr/bin:/bin", ...image.env }).map(([k, v]) => `${k}=${v}`),
      ...(image.user === undefined ? {} : { User: image.user }),
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${layerDigest}`] },
  };
}

async function writeTar(path: string, fill: (tar: Pack) => Promise<void>): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createWriteStream(path));
  const filled = fill(tar).then(
    () => tar.finalize(),
    (error: unknown) => {
      tar.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    },
  );
  await Promise.all([filled, written]);
}

async function addFiles(tar: Pack, files: readonly ImageFile[]): Promise<void> {
  const folders = new Set<string>();
  for (const file of files) {
    for (const folder of foldersOf(file.path)) {
      if (!folders.has(folder)) {
        folders.add(folder);
        tar.entry({ name: folder, type: "directory", mode: 0o755, mtime: EPOCH });
      }
    }
    await addFile(tar, { ...file, path: file.path.replace(/^\/+/, "") });
  }
}

/** "/usr/lib/x.so" → ["usr/", "usr/lib/"]. */
function foldersOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.slice(0, -1).map((_, at) => `${parts.slice(0, at + 1).join("/")}/`);
}

async function addFile(tar: Pack, file: ImageFile): Promise<void> {
  const { size } = await stat(file.source);
  const entry = tar.entry({ name: file.path, size, mode: file.mode ?? 0o755, mtime: EPOCH });
  await pipeline(createReadStream(file.source), entry);
}

function addBuffer(tar: Pack, name: string, content: Buffer): void {
  tar.entry({ name, mode: 0o644, mtime: EPOCH }, content);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
