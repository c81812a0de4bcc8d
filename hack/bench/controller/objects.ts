/** The InferenceServices of the benchmark, and the bare writer: what is done without deciding. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import {
  INFERENCE_SERVICE,
  KNATIVE_REVISION,
  KNATIVE_SERVICE,
  SERVING_RUNTIME,
} from "../../../controller/api/kinds.ts";
import type { KubeObject } from "../../../controller/cluster.ts";
import { objectPath } from "../../../controller/kube/paths.ts";
import { CRD, NAMESPACE, readObjects, type Kube } from "../../../test/support/kube.ts";
import { ensureModuleSource } from "../../go/build.ts";
import { SERVING_VERSION } from "../../go/modules.ts";

const root = join(import.meta.dirname, "../../..");
/** As many as the controller has workers. */
const WORKERS = 8;
const SERVED = [INFERENCE_SERVICE, KNATIVE_SERVICE, KNATIVE_REVISION, SERVING_RUNTIME];

export const OURS = "default";
export const BARE = "bare";

/** The definitions of our kinds and Knative's, and the namespaces. */
export async function install(client: Kube): Promise<void> {
  const knative = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
  const files = [
    ...["inferenceservice", "servingruntime", "clusterservingruntime"].map((name) =>
      join(root, `crds/${name}.yaml`),
    ),
    ...["service", "revision"].map((name) =>
      join(knative, `config/core/300-resources/${name}.yaml`),
    ),
  ];
  for (const file of files) {
    for (const definition of await readObjects(file)) await client.apply(CRD, definition);
  }
  for (const name of ["knative-serving", BARE]) {
    await client.apply(NAMESPACE, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  // A kind's first list may be answered by "wait a second", which is no work of the controller's.
  for (const kind of SERVED) {
    await client.until(`${kind.plural} are served`, () => client.list(kind, OURS));
  }
}

export function nameOf(index: number): string {
  return `m-${index}`;
}

/** Runs `work` for 0 … count - 1, as many at once as the controller would. */
export async function forAll(
  count: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

/** Makes the InferenceService, or edits it: `minReplicas` reaches the Knative Service. */
export async function applyOne(
  client: Kube,
  namespace: string,
  name: string,
  minReplicas: number,
): Promise<void> {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris/" };
  await client.apply(INFERENCE_SERVICE, {
    apiVersion,
    kind,
    metadata: { name, namespace },
    spec: { predictor: { minReplicas, model } },
  } as KubeObject);
}

/** An annotation that concerns nobody here. */
export async function annotate(client: Kube, namespace: string, name: string): Promise<void> {
  await client.http.json({
    method: "PATCH",
    path: objectPath(INFERENCE_SERVICE, namespace, name),
    contentType: "application/merge-patch+json",
    body: { metadata: { annotations: { "example.com/note": "seen" } } },
  });
}

/** What the controller makes of such an InferenceService, by a golden case. */
interface Golden {
  readonly apply: KubeObject & {
    readonly spec: { readonly template: { readonly metadata: { readonly annotations: object } } };
  };
  readonly status: { readonly conditions: readonly object[] };
}

const golden = parse(readFileSync(join(root, "test/golden/minimal/want.yaml"), "utf8")) as Golden;

/** The Knative Service that the controller would write. */
export async function writeService(client: Kube, name: string, minReplicas: number): Promise<void> {
  const { metadata, spec, ...type } = golden.apply;
  const { template } = spec;
  const annotations = {
    ...template.metadata.annotations,
    "autoscaling.knative.dev/min-scale": String(minReplicas),
  };
  await client.apply(KNATIVE_SERVICE, {
    ...type,
    metadata: { ...metadata, name, namespace: BARE },
    spec: { ...spec, template: { ...template, metadata: { ...template.metadata, annotations } } },
  } as KubeObject);
}

/** The status that the controller would write. */
export async function writeStatus(client: Kube, name: string, generation: number): Promise<void> {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const { conditions, ...rest } = golden.status;
  const status = {
    ...rest,
    observedGeneration: generation,
    conditions: conditions.map((each) => ({ ...each, observedGeneration: generation })),
  };
  const object = { apiVersion, kind, metadata: { name, namespace: BARE }, status };
  await client.apply(INFERENCE_SERVICE, object, "status");
}
