import { chmod, mkdir, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";
import type { BuildOptions, Plugin } from "esbuild";

import { readPackage, renderLicenses, selectPackageFolders } from "./licenses.ts";
import { EXTERNAL, programOf, PROGRAMS } from "./programs.ts";
import type { Program } from "./programs.ts";

export interface BundleOptions {
  readonly root: string;
  readonly outdir: string;
  /** Whether a program whose source is missing is an error. */
  readonly strict: boolean;
  /** All of them unless told. */
  readonly programs?: readonly Program[];
}

export const LICENSES_FILE = "THIRD_PARTY_LICENSES.txt";

/** `import.meta` does not exist in CommonJS; what it says does, under other names. */
const IMPORT_META = {
  "import.meta.url": "importMetaUrl",
  "import.meta.dirname": "__dirname",
  "import.meta.filename": "__filename",
};
const BANNER = `"use strict";const importMetaUrl = require("node:url").pathToFileURL(__filename).href;`;

/**
 * Bundles every program into `outdir`, with the licences of what went into them. The same sources
 * give the same bytes. Returns the paths written.
 */
export async function bundle({
  root,
  outdir,
  strict,
  programs = PROGRAMS,
}: BundleOptions): Promise<string[]> {
  await mkdir(outdir, { recursive: true });
  const present = programs.filter(({ entry }) => existsSync(join(root, entry)));
  const missing = programs.filter((program) => !present.includes(program));
  if (strict && missing.length > 0) {
    throw new Error(`sources are missing: ${missing.map(({ entry }) => entry).join(", ")}`);
  }
  const inputs: string[] = [];
  for (const program of present) {
    const result = await build({
      ...optionsOf(program, outdir),
      absWorkingDir: root,
      metafile: true,
    });
    inputs.push(...Object.keys(result.metafile.inputs));
    if (program.executable) await chmod(join(outdir, program.output), 0o755);
  }
  const folders = selectPackageFolders(inputs).map((folder) => join(root, folder));
  const licenses = join(outdir, LICENSES_FILE);
  await writeFile(licenses, renderLicenses(await Promise.all(folders.map(readPackage))));
  return [...present.map(({ output }) => join(outdir, output)), licenses];
}

/** Bundles the program `output` anew into the project's dist/. Returns that folder. */
export async function bundleProgram(output: string): Promise<string> {
  const root = join(import.meta.dirname, "../..");
  const outdir = join(root, "dist");
  await bundle({ root, outdir, strict: true, programs: [programOf(output)] });
  return outdir;
}

const CLIENT = "node_modules/@kubernetes/client-node/";

/**
 * client-node has a class for each type of the API, which its package.json does not declare free of
 * side effects: they would all be in the bundle, and 17 MiB of memory with them.
 */
const withoutUnusedModels: Plugin = {
  name: "without-unused-models",
  setup: (builder) => {
    builder.onResolve({ filter: /^(\.|@kubernetes\/client-node$)/ }, async ({ path, ...where }) => {
      const isTheirs = !path.startsWith(".") || where.importer.includes(CLIENT);
      if (!isTheirs || where.pluginData === CLIENT) return undefined;
      const found = await builder.resolve(path, { ...where, pluginData: CLIENT });
      return { ...found, sideEffects: false };
    });
  },
};

function optionsOf({ entry, output, executable }: Program, outdir: string): BuildOptions {
  return {
    entryPoints: [entry],
    outfile: join(outdir, output),
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    minifyWhitespace: true,
    minifySyntax: true,
    // Stack traces and names of errors stay readable. With short identifiers and keepNames, every
    // closure would be given its name again when it is made: a seventh of a small inference's time.
    minifyIdentifiers: false,
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    // V8 keeps a program's text, and takes two bytes for each character once one is not of Latin-1.
    charset: "ascii",
    define: IMPORT_META,
    banner: { js: executable ? `#!/usr/bin/env node\n${BANNER}` : BANNER },
    external: [...EXTERNAL],
    plugins: [withoutUnusedModels],
    logLevel: "warning",
  };
}
