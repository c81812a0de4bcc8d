/** What of the chart and of examples/argocd is made from something else in the tree. */
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crdTemplate } from "./crd-template.ts";
import { healthFiles, healthPatch, type GoldenTexts } from "./health-data.ts";
import { parseValues, valuesTable } from "./values.ts";

export const ROOT = join(import.meta.dirname, "../..");
export const CHART = "charts/pilotlight";
export const CUSTOMIZATION =
  "examples/argocd/resource_customizations/pilotlight.dev/InferenceService";
const INSTALL_GUIDE = "docs/install.md";
const TABLE_BEGIN = "<!-- values: generated from charts/pilotlight/values.yaml -->\n";
const TABLE_END = "<!-- end of values -->\n";

/**
 * Path from the repository's root → content, of everything that is generated. Nothing is written.
 * @throws Error that names the file when a source lacks what is needed.
 */
export async function chartFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const name of (await readdir(join(ROOT, "crds"))).toSorted()) {
    const path = `crds/${name}`;
    files.set(`${CHART}/templates/crds/${name}`, crdTemplate(await source(path), path));
  }
  const { schema, leaves } = parseValues(await source(`${CHART}/values.yaml`));
  files.set(`${CHART}/values.schema.json`, `${JSON.stringify(schema, undefined, 2)}\n`);
  const guide = await source(INSTALL_GUIDE);
  files.set(INSTALL_GUIDE, withTable(guide, valuesTable(leaves)));
  const script = await source(`${CUSTOMIZATION}/health.lua`);
  files.set("examples/argocd/argocd-cm-patch.yaml", healthPatch(script));
  const golden = await goldenTexts();
  for (const [path, text] of healthFiles(golden)) {
    files.set(`${CUSTOMIZATION}/${path}`, text);
  }
  return files;
}

/** Writes chartFiles(), and removes what an earlier run left in folders that are all generated. */
export async function generateChart(): Promise<readonly string[]> {
  const files = await chartFiles();
  for (const folder of [`${CHART}/templates/crds`, `${CUSTOMIZATION}/testdata`]) {
    await rm(join(ROOT, folder), { recursive: true, force: true });
  }
  for (const [path, text] of files) {
    await mkdir(dirname(join(ROOT, path)), { recursive: true });
    await writeFile(join(ROOT, path), text);
  }
  return [...files.keys()];
}

async function source(path: string): Promise<string> {
  return readFile(join(ROOT, path), "utf8");
}

async function goldenTexts(): Promise<(name: string) => GoldenTexts> {
  const names = await readdir(join(ROOT, "test/golden"));
  const texts = new Map<string, GoldenTexts>();
  for (const name of names) {
    const [given, want] = await Promise.all(
      ["given", "want"].map((file) => source(`test/golden/${name}/${file}.yaml`)),
    );
    texts.set(name, { given: given ?? "", want: want ?? "" });
  }
  return (name) => {
    const found = texts.get(name);
    if (found === undefined) {
      throw new Error(`hack/chart/health-data.ts: there is no golden case test/golden/${name}`);
    }
    return found;
  };
}

function withTable(guide: string, table: string): string {
  const [before, rest] = guide.split(TABLE_BEGIN);
  const [, after] = rest?.split(TABLE_END) ?? [];
  if (before === undefined || after === undefined) {
    throw new Error(`${INSTALL_GUIDE}: the markers of the table of values are missing`);
  }
  return `${before}${TABLE_BEGIN}${table}${TABLE_END}${after}`;
}
