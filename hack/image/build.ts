/**
 * Builds the images without a registry and without Docker. What did not change is not written
 * again, and the same inputs give the same image wherever they lie.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { bundle } from "../bundle/bundle.ts";
import { nodeArguments, programOf } from "../bundle/programs.ts";
import { withLock } from "../go/lock.ts";
import { makeAppFolder, readEntries } from "./app-folder.ts";
import type { ProgramName } from "./app-folder.ts";
import { USER, selectBaseEntries } from "./base-entries.ts";
import { COMPILE_CACHE, addCompileCache, compileCacheEnvironment } from "./compile-cache.ts";
import { identify, renderConfig, writeArchive } from "./image-archive.ts";
import type { ImageSettings, Layer } from "./image-archive.ts";
import { digestEntries, digestFile, readIfThere, writeLayer } from "./layer.ts";
import type { LayerEntry } from "./layer.ts";

export interface BuiltImage {
  /** Name and tag; the tag holds a digest of the content. */
  readonly image: string;
  /** The archive, relative to the repository's root. */
  readonly tar: string;
  /** Bytes of all layers. */
  readonly bytes: number;
}

export type BuiltImages = Readonly<Record<ProgramName, BuiltImage>> & {
  /** The base layer's tar file, for `docker import`. */
  readonly base: string;
};

const OUTPUT = "build/images";
/** Knative takes tags below this name as they are, and asks no registry for their digest. */
const REPOSITORY = "dev.local/pilotlight";
const PORTS = { predictor: [8080], controller: [] } as const;

/**
 * Bundles the programs and builds both images; writes build/images/images.json. Two runs in one
 * checkout take turns.
 */
export async function buildImages(root: string): Promise<BuiltImages> {
  await mkdir(join(root, "build"), { recursive: true });
  return withLock(join(root, "build/images.lock"), () => buildAll(root));
}

async function buildAll(root: string): Promise<BuiltImages> {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  await bundle({ root, outdir: join(root, "dist"), strict: true });
  await mkdir(join(root, OUTPUT, "layers"), { recursive: true });
  const base = await makeLayer(root, "base", await selectBaseEntries(root));
  const predictor = await buildImage(root, "predictor", { base, version });
  const controller = await buildImage(root, "controller", { base, version });
  const images = { predictor, controller, base: base.path.slice(root.length + 1) };
  await writeFile(join(root, OUTPUT, "images.json"), `${JSON.stringify(images, null, 2)}\n`);
  return images;
}

async function buildImage(
  root: string,
  program: ProgramName,
  { base, version }: { readonly base: Layer; readonly version: string },
): Promise<BuiltImage> {
  const folder = await makeAppFolder(root, program);
  if (program === "predictor") await addCompileCache(root, folder);
  const app = await makeLayer(root, program, await readEntries(folder));
  const layers = [base, app];
  const config = renderConfig(settingsOf(program, version), layers);
  const id = identify(config);
  const image = `${REPOSITORY}/${program}:${version}-${id.slice(0, 12)}`;
  const tar = `${OUTPUT}/${program}.tar`;
  const note = join(root, OUTPUT, `${program}.id`);
  if (!existsSync(join(root, tar)) || (await readIfThere(note)) !== image) {
    await rm(note, { force: true });
    await writeArchive(join(root, tar), { name: image, config, layers });
    await writeFile(note, image);
  }
  const sizes = await Promise.all(layers.map(async ({ path }) => (await stat(path)).size));
  return { image, tar, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** What a container runs; the Dockerfiles say the same. */
export function entrypointOf(program: ProgramName): readonly string[] {
  return ["/opt/pilotlight/node", ...nodeArguments(`${program}.cjs`, "/opt/pilotlight")];
}

function settingsOf(program: ProgramName, version: string): ImageSettings {
  return {
    title: `pilotlight-${program}`,
    version,
    entrypoint: entrypointOf(program),
    env: {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      NODE_ENV: "production",
      ...programOf(`${program}.cjs`).environment,
      ...(program === "predictor" ? compileCacheEnvironment(COMPILE_CACHE) : {}),
    },
    user: `${USER.id}:${USER.id}`,
    ports: PORTS[program],
  };
}

/** A layer's file is named after what went into it, so that it is written once. */
async function makeLayer(
  root: string,
  name: string,
  entries: readonly LayerEntry[],
): Promise<Layer> {
  const folder = join(root, OUTPUT, "layers");
  const file = `${name}-${(await digestEntries(entries)).slice(0, 16)}.tar`;
  const path = join(folder, file);
  const known = await readIfThere(`${path}.sha256`);
  if (known !== undefined && existsSync(path)) return { path, digest: known };
  await writeLayer(entries, path);
  const digest = await digestFile(path);
  await writeFile(`${path}.sha256`, digest);
  for (const other of await readdir(folder)) {
    if (other.startsWith(`${name}-`) && !other.startsWith(file)) await rm(join(folder, other));
  }
  return { path, digest };
}
