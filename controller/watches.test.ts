import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { INFERENCE_SERVICE, NODE } from "./api/kinds.ts";
import type { Cache, KubeObject } from "./cluster.ts";
import type { Node } from "./desired/nodes.ts";
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
