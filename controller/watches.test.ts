import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { INFERENCE_SERVICE, NODE, SERVICE_ACCOUNT } from "./api/kinds.ts";
import { kserveKind } from "./api/kserve.ts";
import type { Cache, KubeObject } from "./cluster.ts";
import type { Node } from "./desired/nodes.ts";
import { author } from "./observe/author.ts";
import { watchedKinds, watchMappings } from "./watches.ts";

const everywhere = {
  watchNamespaces: [],
  knativeNamespace: "knative-serving",
  kserveCompatibility: false,
};
const somewhere = { ...everywhere, watchNamespaces: ["a", "b"] };

function isvc(name: string, reason: string): KubeObject {
  const conditions = [{ type: "LatestDeploymentReady", status: "Unknown", reason }];
  const object = { metadata: { name, namespace: "ns" }, status: { conditions }, spec: {} };
  return { ...object, apiVersion: INFERENCE_SERVICE.apiVersion, kind: INFERENCE_SERVICE.kind };
}

const cache: Cache = {
  get: () => undefined,
  list: <T extends KubeObject>() =>
    [isvc("waits", "Unschedulable"), isvc("serves", "RevisionReady")] as unknown as readonly T[],
  labelled: () => [],
};

const node: Node = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "a", labels: { zone: "b" }, annotations: { large: "x" }, managedFields: [{}] },
  spec: { taints: [{ key: "k", effect: "NoSchedule" }] },
  status: { allocatable: { cpu: "4" } },
};

describe("watches of nodes", () => {
  it("keep what placement depends on, and may be denied", () => {
    const watched = watchedKinds(everywhere).find(({ kind }) => kind === NODE);
    assert.equal(watched?.optional, true);
    const whole = { ...node, status: { ...node.status, images: [{ names: ["x"] }] } };
    assert.deepEqual(watched?.transform?.(whole), {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "a", labels: { zone: "b" } },
      spec: { taints: [{ key: "k", effect: "NoSchedule" }] },
      status: { allocatable: { cpu: "4" } },
    });
  });

  it("wake those whose pods no node takes, and nobody else", () => {
    const mapping = watchMappings(cache, everywhere).find(({ kind }) => kind === NODE);
    assert.deepEqual(mapping?.keys(node), ["ns/waits"]);
  });

  it("are not begun by who serves some namespaces", () => {
    assert.ok(!watchedKinds(somewhere).some(({ kind }) => kind === NODE));
    assert.ok(!watchMappings(cache, somewhere).some(({ kind }) => kind === NODE));
  });
});

describe("watches of service accounts", () => {
  const account: KubeObject = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "models", namespace: "ns" },
  };
  const compatible = { ...everywhere, kserveCompatibility: true };

  it("wake those of KServe's group whose models are fetched by them", () => {
    const { apiVersion, kind } = kserveKind(INFERENCE_SERVICE);
    const of = (name: string, predictor: object, annotations = {}): KubeObject =>
      ({
        apiVersion,
        kind,
        metadata: { name, namespace: "ns", annotations },
        spec: { predictor },
      }) as KubeObject;
    const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/a" };
    const some = [
      of("named", { serviceAccountName: "models", model }),
      of("default", { model }),
      of("stopped", { serviceAccountName: "models", model }, { "serving.kserve.io/stop": "true" }),
      of("in-image", { serviceAccountName: "models", model: { ...model, storageUri: "/a" } }),
    ];
    const list = <T extends KubeObject>(): readonly T[] => some as unknown as readonly T[];
    const mapping = watchMappings({ ...cache, list }, compatible).find(
      (each) => each.kind === SERVICE_ACCOUNT,
    );
    assert.deepEqual([...new Set(mapping?.keys(account))], ["ns/named"]);
  });

  it("are begun where that group is served, and may be denied", () => {
    const watched = watchedKinds(compatible).find(({ kind }) => kind === SERVICE_ACCOUNT);
    assert.equal(watched?.optional, true);
    assert.ok(!watchedKinds(everywhere).some(({ kind }) => kind === SERVICE_ACCOUNT));
  });
});

describe("what is kept of an InferenceService", () => {
  const { kind, transform } = watchedKinds({
    watchNamespaces: [],
    knativeNamespace: "knative-serving",
    kserveCompatibility: false,
  }).find((watched) => watched.kind === INFERENCE_SERVICE) ?? { kind: undefined };

  it("is who wrote the spec, and nothing else of managedFields", () => {
    assert.equal(kind, INFERENCE_SERVICE);
    const time = "2026-01-02T03:04:05Z";
    const managedFields = [
      { manager: "argocd", time, fieldsV1: { "f:spec": { "f:predictor": {} }, "f:metadata": {} } },
      { manager: "labels", time, fieldsV1: { "f:metadata": {} } },
      { manager: "pilotlight", time, subresource: "status", fieldsV1: { "f:status": {} } },
    ];
    const object = isvc("a", "Serving");
    const kept = transform?.({ ...object, metadata: { ...object.metadata, managedFields } });
    assert.deepEqual(kept?.metadata.managedFields, [
      { manager: "argocd", time, fieldsV1: { "f:spec": {} } },
    ]);
    assert.equal(author(kept?.metadata ?? { name: "" })?.manager, "argocd");
  });
});
