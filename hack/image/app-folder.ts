/**
 * build/app/<program>: what an image holds besides its base, as a folder. The Dockerfile copies it,
 * and `npm run image` makes a layer of it.
 */
import { chmod, copyFile, cp, mkdir, readdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";

import { LICENSES_FILE } from "../bundle/bundle.ts";
import { NODE_PATH } from "./base-entries.ts";
import type { LayerEntry } from "./layer.ts";

export type ProgramName = "predictor" | "controller";

/** The installation inside of an image, relative to its root; docs/runtime-contract.md. */
const INSTALLATION = "opt/pilotlight";

/** Makes the folder of a program anew and returns its path. */
export async function makeAppFolder(root: string, program: ProgramName): Promise<string> {
  const folder = join(root, "build/app", program);
  await rm(folder, { recursive: true, force: true });
  for (const path of await selectFiles(root, program)) {
    const target = join(folder, INSTALLATION, path.replace(/^dist\//, ""));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(join(root, path), target);
    await chmod(target, 0o644);
  }
  await symlink(NODE_PATH, join(folder, INSTALLATION, "node"));
  return folder;
}

/** The entries of a layer with everything in a folder. */
export async function readEntries(folder: string): Promise<LayerEntry[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.map((entry): LayerEntry => {
    const source = join(entry.parentPath, entry.name);
    const path = source.slice(folder.length);
    if (entry.isSymbolicLink()) return { kind: "link", path, target: NODE_PATH };
    if (entry.isDirectory()) return { kind: "folder", path, mode: 0o755 };
    return { kind: "file", path, source, mode: 0o644 };
  });
}

/** Paths of the files of a program, relative to the root. */
async function selectFiles(root: string, program: ProgramName): Promise<string[]> {
  const common = ["LICENSE", `dist/${LICENSES_FILE}`, `dist/${program}.cjs`];
  if (program === "controller") return common;
  const example = await list(root, "examples/iris", (path) => !path.endsWith(".test.ts"));
  const libraries = [await selectOnnxruntime(root), await selectTaskLibraries(root)];
  return [...common, ...example, ...libraries.flat()];
}

/** onnxruntime of this platform: the package carries every other one's, too, 240 MB of them. */
async function selectOnnxruntime(root: string): Promise<string[]> {
  const node = "node_modules/onnxruntime-node";
  const common = "node_modules/onnxruntime-common";
  const isCode = (path: string): boolean => path.endsWith(".js") || path.endsWith("package.json");
  return [
    `${node}/package.json`,
    ...(await list(root, `${node}/dist`, isCode)),
    ...(await list(root, `${node}/bin/napi-v6/linux/${process.arch}`, isForCpu)),
    `${common}/package.json`,
    ...(await list(root, `${common}/dist/cjs`, isCode)),
  ];
}

/** The libraries of other execution providers, where onnxruntime-node's install script put them. */
const PROVIDER = /\/libonnxruntime_providers_\w+\.so$/;
const isForCpu = (path: string): boolean => !PROVIDER.test(path);

/**
 * build/app/predictor-cuda: the predictor with onnxruntime's CUDA provider, for Dockerfile.cuda.
 * Throws, saying how to get them, when the provider's libraries are not installed.
 */
export async function makeCudaFolder(root: string): Promise<string> {
  const binaries = "node_modules/onnxruntime-node/bin/napi-v6/linux/x64";
  const found = await list(root, binaries, (path) => PROVIDER.test(path));
  const wanted = ["cuda", "shared"].map((name) => `libonnxruntime_providers_${name}.so`);
  const missing = wanted.filter((name) => !found.some((path) => path.endsWith(`/${name}`)));
  if (missing.length > 0) {
    throw new Error(
      `${binaries} has no ${missing.join(", ")}: onnxruntime-node's install script fetches them from NuGet; ` +
        "run `node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12` on Linux x64 with access to it",
    );
  }
  const folder = join(root, "build/app/predictor-cuda");
  await rm(folder, { recursive: true, force: true });
  await cp(await makeAppFolder(root, "predictor"), folder, { recursive: true });
  for (const path of found.filter((each) => !each.includes("tensorrt"))) {
    await copyFile(join(root, path), join(folder, INSTALLATION, path));
  }
  return folder;
}

/** What tasks need besides their code: the tokenizers of this platform, the decoder of pictures. */
async function selectTaskLibraries(root: string): Promise<string[]> {
  const [tokenizers, jpeg] = ["node_modules/tokenizers", "node_modules/@jsquash/jpeg"];
  return [
    `${tokenizers}/LICENSE`,
    `${tokenizers}/package.json`,
    `${tokenizers}/index.js`,
    `${tokenizers}/tokenizers.linux-${process.arch}-gnu.node`,
    `${jpeg}/LICENSE`,
    `${jpeg}/package.json`,
    ...(await list(root, `${jpeg}/codec/dec`, (path) => /\.(js|wasm)$/.test(path))),
  ];
}

async function list(
  root: string,
  folder: string,
  wanted: (path: string) => boolean,
): Promise<string[]> {
  const found = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter(wanted)
    .sort();
}
