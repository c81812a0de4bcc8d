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
    why: "a limit of memory is no request",
    pod: { containers: [{ image: "a", resources: { limits: { memory: "64Gi" } } }] },
    nodes: plain,
    says: "3 of 3 nodes would do, but what it needs is in use there",
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
    says: `1 of 2 nodes offer ${GPU} and 1 have the labels zone=b, but none has both`,
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
