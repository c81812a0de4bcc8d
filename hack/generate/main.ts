/** `npm run generate`: everything in the tree that is made from something else in the tree. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { JSONSchema } from "json-schema-to-typescript";
import { ensureModuleSource } from "../go/build.ts";
import { SERVING_VERSION } from "../go/modules.ts";
import { clusterScoped } from "./cluster-scoped.ts";
import { crdTypes } from "./crd-types.ts";
import { pageAssets } from "./page-assets.ts";
import { knativeSlice } from "./knative-slice.ts";

const root = join(import.meta.dirname, "../..");

interface Crd {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly storage: boolean;
      readonly schema: { readonly openAPIV3Schema: JSONSchema };
    }[];
  };
}

/** The schema that objects of this CRD are stored by. */
function storedSchema(text: string): JSONSchema {
  const crd = parse(text, { maxAliasCount: -1 }) as Crd;
  const version = crd.spec.versions.find((candidate) => candidate.storage);
  if (version === undefined) {
    throw new Error(`CRD ${crd.spec.names.kind} has no storage version`);
  }
  return version.schema.openAPIV3Schema;
}

/** Folder of Knative Serving's module, or undefined where no Go toolchain can fetch it. */
async function knativeModule(): Promise<string | undefined> {
  try {
    return await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
  } catch {
    return undefined;
  }
}

async function write(path: string, text: string): Promise<void> {
  await writeFile(join(root, path), text);
  process.stdout.write(`generated ${path}\n`);
}

async function main(): Promise<void> {
  const ours = await readFile(join(root, "crds/inferenceservice.yaml"), "utf8");
  await write(
    "controller/api/inferenceservice.gen.ts",
    await crdTypes({
      origin: "crds/inferenceservice.yaml",
      name: "InferenceService",
      schema: storedSchema(ours),
    }),
  );
  const runtime = await readFile(join(root, "crds/servingruntime.yaml"), "utf8");
  await write("crds/clusterservingruntime.yaml", clusterScoped(runtime));
  await write(
    "controller/api/servingruntime.gen.ts",
    await crdTypes({
      origin: "crds/servingruntime.yaml",
      name: "ServingRuntime",
      schema: storedSchema(runtime),
    }),
  );
  await write(
    "predictor/page/assets.gen.ts",
    await pageAssets(join(root, "predictor/page/browser")),
  );
  const knative = await knativeModule();
  if (knative === undefined) {
    process.stdout.write("skipped Knative's types: no Go toolchain to fetch their CRDs with\n");
    return;
  }
  for (const kind of ["service", "revision"] as const) {
    const crd = await readFile(join(knative, `config/core/300-resources/${kind}.yaml`), "utf8");
    const name = kind === "service" ? "KnativeService" : "KnativeRevision";
    await write(
      `controller/api/knative-${kind}.gen.ts`,
      await crdTypes({
        origin: `config/core/300-resources/${kind}.yaml of knative.dev/serving ${SERVING_VERSION}`,
        name,
        schema: knativeSlice(kind, storedSchema(crd)),
        prefix: name,
      }),
    );
  }
}

await main();
