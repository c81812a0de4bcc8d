import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { shortage, type Node, type Taint } from "./nodes.ts";

const GPU = "nvidia.com/gpu";
const L4 = { "nvidia.com/gpu.product": "NVIDIA-L4" };

function node(
  name: string,
  allocatable: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
  taints: readonly Taint[] = [],
): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels },
    spec: { taints },
    status: { allocatable: { cpu: "4", memory: "8Gi", ...allocatable } },
  };
}

function pod(
  requests: Readonly<Record<string, string>>,
  more: Partial<KnativeServicePodSpec> = {},
): KnativeServicePodSpec {
  return { containers: [{ name: "a", image: "a", resources: { requests } }], ...more };
}

/** A required node affinity of these terms. */
function requires(...terms: readonly (readonly object[])[]): Partial<KnativeServicePodSpec> {
  return {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: terms.map((matchExpressions) => ({ matchExpressions })),
        },
      },
    },
  };
}

const plain = [node("a", {}), node("b", {}), node("c", {})];
const taint: Taint = { key: GPU, value: "present", effect: "NoSchedule" };

const rows: readonly {
  readonly why: string;
  readonly pod: KnativeServicePodSpec;
  readonly nodes: readonly Node[];
  readonly says: string;
}[] = [
  {
    why: "no node has it",
    pod: pod({ [GPU]: "1" }),
    nodes: plain,
    says: `0 of 3 nodes offer ${GPU}`,
  },
  {
    why: "there are no nodes",
    pod: pod({ cpu: "1" }),
    nodes: [],
    says: "the cluster has no nodes",
  },
  {
    why: "devices in limits alone are requested as well",
    pod: { containers: [{ image: "a", resources: { limits: { [GPU]: 1 } } }] },
    nodes: plain.slice(0, 1),
    says: `0 of 1 node offer ${GPU}`,
  },
  {
    why: "none has enough of it",
    pod: pod({ [GPU]: "8" }),
    nodes: [node("a", { [GPU]: "4" }), node("b", { [GPU]: "2" })],
    says: `0 of 2 nodes offer 8 of ${GPU}; the most is 4`,
  },
  {
    why: "memory is said in mebibytes, and containers add up",
    pod: {
      containers: [
        { image: "a", resources: { requests: { memory: "6Gi" } } },
        { image: "b", resources: { requests: { memory: "3Gi" } } },
      ],
    },
    nodes: plain,
    says: "0 of 3 nodes offer 9216Mi of memory; the most is 8192Mi",
  },
  {
    why: "a limit without a request is a request: Kubernetes makes it one",
    pod: { containers: [{ image: "a", resources: { limits: { memory: "64Gi" } } }] },
    nodes: plain,
    says: "0 of 3 nodes offer 65536Mi of memory; the most is 8192Mi",
  },
  {
    why: "with a request of its own, a limit asks for nothing",
    pod: {
      containers: [
        { image: "a", resources: { limits: { memory: "64Gi" }, requests: { memory: "1Gi" } } },
      ],
    },
    nodes: plain,
    says: "3 of 3 nodes would do, but what it needs is in use there",
  },
  {
    why: "no node meets the required affinity",
    pod: pod({}, requires([{ key: "zone", operator: "In", values: ["a", "b"] }])),
    nodes: plain,
    says: "0 of 3 nodes meet the required node affinity (zone In a, b)",
  },
  {
    why: "one of several terms will do, and a term without a word never does",
    pod: pod(
      {},
      requires(
        [],
        [{ key: "gpu", operator: "Exists" }],
        [{ key: "gpu", operator: "DoesNotExist" }],
      ),
    ),
    nodes: plain.slice(0, 2),
    says: "2 of 2 nodes would do, but what it needs is in use there",
  },
  {
    why: "a device here, the affinity there",
    pod: pod({ [GPU]: "1" }, requires([{ key: "cores", operator: "Gt", values: ["8"] }])),
    nodes: [node("a", { [GPU]: "1" }, { cores: "4" }), node("b", {}, { cores: "16" })],
    says: `1 of 2 nodes offer ${GPU} and 1 meet the required node affinity (cores Gt 8), but none does both`,
  },
  {
    why: "every expression of a term counts",
    pod: pod(
      {},
      requires([
        { key: "zone", operator: "NotIn", values: ["a"] },
        { key: "cores", operator: "Lt", values: ["8"] },
      ]),
    ),
    nodes: [node("a", {}, { zone: "a", cores: "4" }), node("b", {}, { cores: "16" })],
    says: "0 of 2 nodes meet the required node affinity (zone NotIn a and cores Lt 8)",
  },
  {
    why: "a node's name is a field",
    pod: pod(
      {},
      {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchFields: [{ key: "metadata.name", operator: "In", values: ["b"] }] },
              ],
            },
          },
        },
      },
    ),
    nodes: plain,
    says: "1 of 3 nodes would do, but what it needs is in use there",
  },
  {
    why: "what other pods and volumes have to do with it is not claimed to be known",
    pod: pod(
      {},
      {
        affinity: { podAntiAffinity: {} },
        topologySpreadConstraints: [{}],
        volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }],
      },
    ),
    nodes: plain,
    says: "3 of 3 nodes would do, but what it needs is in use there, or its affinity to pods or topologySpreadConstraints or volumes keep it away",
  },
  {
    why: "devices come before what is plentiful",
    pod: pod({ cpu: "64", [GPU]: "1" }),
    nodes: plain,
    says: `0 of 3 nodes offer ${GPU}`,
  },
  {
    why: "no node has the label",
    pod: pod({ [GPU]: "1" }, { nodeSelector: { ...L4, zone: "a" } }),
    nodes: [node("a", { [GPU]: "1" }, { zone: "a", "nvidia.com/gpu.product": "Tesla-T4" })],
    says: "0 of 1 node have the label nvidia.com/gpu.product=NVIDIA-L4",
  },
  {
    why: "the label is on another node than the device",
    pod: pod({ [GPU]: "1" }, { nodeSelector: { zone: "b" } }),
    nodes: [node("a", { [GPU]: "1" }), node("b", {}, { zone: "b" })],
    says: `1 of 2 nodes offer ${GPU} and 1 have the labels zone=b, but none does both`,
  },
  {
    why: "a taint is not tolerated",
    pod: pod({ [GPU]: "1" }),
    nodes: [node("a", { [GPU]: "1" }, {}, [taint]), node("b", {})],
    says: `1 of 2 nodes would do, but the pod does not tolerate ${GPU}=present:NoSchedule`,
  },
  {
    why: "tolerated, and busy",
    pod: pod({ [GPU]: "1" }, { tolerations: [{ key: GPU, operator: "Exists" }] }),
    nodes: [node("a", { [GPU]: "1" }, {}, [taint]), node("b", {})],
    says: "1 of 2 nodes would do, but what it needs is in use there",
  },
  {
    why: "a toleration of another value or effect is none",
    pod: pod(
      { [GPU]: "1" },
      {
        tolerations: [
          { key: GPU, value: "absent" },
          { key: GPU, operator: "Exists", effect: "NoExecute" },
        ],
      },
    ),
    nodes: [node("a", { [GPU]: "1" }, {}, [taint])],
    says: `1 of 1 node would do, but the pod does not tolerate ${GPU}=present:NoSchedule`,
  },
  {
    why: "a toleration without a key is one for all, and a preference keeps nobody away",
    pod: pod({ [GPU]: "1" }, { tolerations: [{ operator: "Exists", effect: "NoSchedule" }] }),
    nodes: [
      node("a", { [GPU]: "1" }, {}, [taint, { key: "slow", effect: "PreferNoSchedule" }]),
      node("b", { [GPU]: "1" }, {}, [{ key: "x", effect: "NoExecute" }]),
    ],
    says: "1 of 2 nodes would do, but what it needs is in use there",
  },
];

describe("shortage", () => {
  for (const row of rows) {
    it(row.why, () => assert.equal(shortage(row.pod, row.nodes).message, row.says));
  }

  it("is possible where only room is lacking", () => {
    const possible = rows.filter((row) => shortage(row.pod, row.nodes).possible);
    assert.deepEqual(
      possible.map(({ says }) => says),
      rows.map(({ says }) => says).filter((says) => says.includes("in use there")),
    );
  });
});
