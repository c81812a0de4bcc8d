/** Rendered manifests as objects, and the questions that the tests ask of them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { CHART, ROOT } from "../../hack/chart/generate.ts";
import { renderChart, type RenderOptions } from "../../hack/chart/install.ts";

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly PolicyRule[];
}

export interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>> & {
    readonly securityContext: Readonly<Record<string, unknown>>;
    readonly containers: readonly Container[];
  };
}

export interface Container {
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly livenessProbe: { readonly httpGet: { readonly path: string } };
  readonly readinessProbe: { readonly httpGet: { readonly path: string } };
}

/** Path of a values file of the chart's ci folder. */
export function ciValues(name: string): string {
  return join(ROOT, CHART, "ci", `${name}-values.yaml`);
}

/** The rendered chart, document by document; every one must be YAML with kind and name. */
export async function manifests(options: RenderOptions = {}): Promise<readonly Manifest[]> {
  return parseManifests(await renderChart(options));
}

export function parseManifests(text: string): readonly Manifest[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  assert.ok(Array.isArray(documents), "no document at all");
  return documents
    .map((document) => {
      assert.deepEqual(document.errors, []);
      return document.toJS() as Manifest | null;
    })
    .filter((manifest) => manifest !== null)
    .map((manifest) => {
      assert.ok(manifest.kind !== undefined && manifest.metadata.name !== undefined);
      return manifest;
    });
}

/** The only one of its kind, by name where there are more. */
export function only(all: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = all.filter(
    (manifest) => manifest.kind === kind && (name === undefined || manifest.metadata.name === name),
  );
  assert.equal(found.length, 1, `${found.length} of kind ${kind}`);
  const [manifest] = found;
  assert.ok(manifest !== undefined);
  return manifest;
}

export function kinds(all: readonly Manifest[]): readonly string[] {
  return all.map(({ kind }) => kind);
}

export function podTemplate(all: readonly Manifest[]): PodTemplate {
  return only(all, "Deployment").spec?.["template"] as PodTemplate;
}

export function container(all: readonly Manifest[]): Container {
  const [first] = podTemplate(all).spec.containers;
  assert.ok(first !== undefined);
  return first;
}

export function environment(all: readonly Manifest[]): Readonly<Record<string, string>> {
  return Object.fromEntries(container(all).env.map(({ name, value }) => [name, value ?? ""]));
}
