/**
 * The kubectl plugin as krew installs one: an archive, and the manifest that says what to take from
 * it (krew.sigs.k8s.io/docs/developer-guide/plugin-manifest). The same sources give the same bytes.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { stringify } from "yaml";
import { VERSION } from "../../controller/version.ts";
import { bundle, LICENSES_FILE } from "../bundle/bundle.ts";
import { PROGRAMS } from "../bundle/programs.ts";
import { addFile, addText, digestFile, writeTar } from "../image/layer.ts";

export const ARCHIVE = "kubectl-pilotlight.tar.gz";
export const MANIFEST = "kubectl-pilotlight.yaml";
/** kubectl finds `kubectl pilotlight` by this name on the PATH. */
export const PROGRAM = "kubectl-pilotlight";

/**
 * By it the program finds its folder and its version; and it is CommonJS, whatever it is called.
 */
const PACKAGE = { name: "pilotlight", version: VERSION, type: "commonjs", license: "Apache-2.0" };

interface Entry {
  readonly name: string;
  readonly source: string;
  readonly mode: number;
}

/** The program, and what it needs beside itself: its version, and the schemas of manifests. */
async function entriesOf(root: string, bundled: string): Promise<readonly Entry[]> {
  const crds = (await readdir(join(root, "crds"))).filter((name) => name.endsWith(".yaml"));
  const kept = ["LICENSE", ...crds.toSorted().map((name) => `crds/${name}`)];
  return [
    { name: PROGRAM, source: join(bundled, "pilotlight.cjs"), mode: 0o755 },
    { name: LICENSES_FILE, source: join(bundled, LICENSES_FILE), mode: 0o644 },
    ...kept.map((name) => ({ name, source: join(root, name), mode: 0o644 })),
  ];
}

export interface Plugin {
  readonly archive: string;
  readonly manifest: string;
}

/** Bundles the program of the checkout at `root` and writes both files into `outdir`. */
export async function buildPlugin(root: string, outdir: string, uri: string): Promise<Plugin> {
  await mkdir(outdir, { recursive: true });
  const work = await mkdtemp(join(outdir, "work-"));
  const archive = join(outdir, ARCHIVE);
  try {
    const programs = PROGRAMS.filter(({ output }) => output === "pilotlight.cjs");
    await bundle({ root, outdir: work, strict: true, programs });
    const tar = join(work, "plugin.tar");
    const entries = await entriesOf(root, work);
    await writeTar(tar, async (pack) => {
      addText(pack, "package.json", `${JSON.stringify(PACKAGE)}\n`);
      for (const entry of entries) {
        await addFile(pack, entry);
      }
    });
    await writeFile(archive, gzipSync(await readFile(tar)));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const manifest = join(outdir, MANIFEST);
  await writeFile(manifest, stringify(krewManifest(uri, await digestFile(archive))));
  return { archive, manifest };
}

function krewManifest(uri: string, sha256: string): unknown {
  const file = (from: string, to: string): unknown => ({ from, to });
  return {
    apiVersion: "krew.googlecontainertools.github.com/v1alpha2",
    kind: "Plugin",
    metadata: { name: "pilotlight" },
    spec: {
      version: `v${VERSION}`,
      shortDescription: "Check, render and follow InferenceServices",
      description:
        "Says what would keep an InferenceService from serving before it is applied, renders what the controller would apply, and more: kubectl pilotlight --help",
      caveats: "Needs Node 24 or later as `node` on the PATH.",
      platforms: [
        {
          selector: {
            matchExpressions: [{ key: "os", operator: "In", values: ["linux", "darwin"] }],
          },
          uri,
          sha256,
          files: [
            file(PROGRAM, "."),
            file("package.json", "."),
            file("crds/*", "crds"),
            file("*LICENSE*", "."),
          ],
          bin: PROGRAM,
        },
      ],
    },
  };
}
