/**
 * Every InferenceService and runtime in README, docs and examples is taken by a real API server,
 * unknown fields refused.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parseAllDocuments } from "yaml";
import {
  CLUSTER_SERVING_RUNTIME,
  INFERENCE_SERVICE,
  SERVING_RUNTIME,
} from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { collectionPath } from "../../controller/kube/paths.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { CRD, kube, readObjects, type Kube } from "../support/kube.ts";

const ROOT = join(import.meta.dirname, "../..");

interface Example {
  readonly where: string;
  readonly object: KubeObject;
}

/** InferenceServices in a Markdown file's `yaml` blocks, or in a YAML file. */
function examplesIn(path: string): readonly Example[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  const blocks = path.endsWith(".md")
    ? [...text.matchAll(/```ya?ml\n([\s\S]*?)```/g)].map((match) => match[1] ?? "")
    : [text];
  return blocks.flatMap((block, at) =>
    parseAllDocuments(block)
      .map((document) => wholeOf(document.toJS() as KubeObject | Fragment | null))
      .filter((object) => KINDS.some(({ kind }) => kind === object?.kind))
      .flatMap((object) =>
        object === null ? [] : [{ where: `${path}, block ${at + 1}`, object }],
      ),
  );
}

/** A page about a predictor's `model` shows nothing else of the manifest. */
type Fragment = { readonly model: object };

function wholeOf(object: KubeObject | Fragment | null): KubeObject | null {
  if (object === null || !("model" in object)) return object;
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const spec = { predictor: object };
  return Object.assign({ apiVersion, kind, metadata: { name: "fragment" } }, { spec });
}

const KINDS = [INFERENCE_SERVICE, SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME];

function pathOf({ kind, apiVersion }: KubeObject): string {
  const found = KINDS.find((each) => each.kind === kind && each.apiVersion === apiVersion);
  assert.ok(found !== undefined, `${apiVersion} ${kind} is no kind of ours`);
  return collectionPath(found, found.namespaced ? "default" : undefined);
}

const files = execFileSync("git", ["ls-files", "README.md", "docs", "examples"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path.endsWith(".md") || /^examples\/[^/]+\/[^/]+\.yaml$/.test(path));
const examples = files.flatMap(examplesIn);

describe("InferenceServices in the documentation", () => {
  let apiserver: Apiserver;
  let client: Kube;

  before(async () => {
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
    for (const file of readdirSync(join(ROOT, "crds"))) {
      for (const definition of await readObjects(join(ROOT, "crds", file))) {
        await client.apply(CRD, definition);
      }
    }
    for (const kind of KINDS) {
      await client.until(`${kind.plural} are served`, () => client.list(kind, "default"));
    }
  });

  after(async () => {
    await client.close();
    await apiserver.stop();
  });

  it("a page shows only the model of one", () => {
    assert.ok(examples.some(({ where }) => where.startsWith("docs/models.md")));
  });

  it("there are some", () => {
    assert.ok(examples.length >= 3, `${examples.length} found`);
  });

  for (const { where, object } of examples) {
    it(where, async () => {
      await client.http.json({
        method: "POST",
        path: pathOf(object),
        query: { dryRun: "All", fieldValidation: "Strict" },
        body: object,
      });
    });
  }
});
