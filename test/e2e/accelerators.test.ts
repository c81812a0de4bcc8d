/**
 * Each type of accelerator on a real scheduler: the node is given resource, label and taint, which
 * makes everything real but the device. The InferenceServices are there first, so that they are
 * told what the node lacks, and land the moment that it is offered, as on a cluster that adds
 * nodes.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import type { Accelerator } from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { ACCELERATORS } from "../../controller/desired/accelerators.ts";
import { condition } from "../../controller/observe/conditions.ts";
import {
  labelNode,
  nodeName,
  patchNodeExtendedResource,
  taintNode,
  untaintNode,
} from "../../hack/cluster/node.ts";
import { world, type World } from "./world.ts";

const namespace = "e2e-accelerators";
const FLAGS = ["kubernetes.podspec-nodeselector", "kubernetes.podspec-tolerations"];

/** A product of each type, and the labels that its nodes have. */
const NODES: Readonly<
  Record<Accelerator["type"], Omit<Accelerator, "type"> & { readonly labels: Labels }>
> = {
  nvidia: {
    product: "NVIDIA-L40S",
    count: 2,
    labels: { "nvidia.com/gpu.product": "NVIDIA-L40S" },
  },
  "aws-neuron": {
    product: "inf2.xlarge",
    labels: { "node.kubernetes.io/instance-type": "inf2.xlarge" },
  },
  "google-tpu": {
    product: "tpu-v5-lite-podslice",
    count: 4,
    labels: {
      "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
      "cloud.google.com/gke-tpu-topology": "2x2",
    },
  },
  amd: {
    product: "AMD_Instinct_MI300X_OAM",
    labels: { "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM" },
  },
  gaudi: {
    product: "dl1.24xlarge",
    count: 8,
    labels: { "node.kubernetes.io/instance-type": "dl1.24xlarge" },
  },
};
type Labels = Readonly<Record<string, string>>;
const TYPES = Object.keys(NODES) as Accelerator["type"][];

function inferenceService(type: Accelerator["type"]): KubeObject {
  const { labels: _labels, ...wanted } = NODES[type];
  const { apiVersion, kind } = INFERENCE_SERVICE;
  return {
    apiVersion,
    kind,
    metadata: { name: type },
    spec: {
      predictor: {
        accelerator: { type, ...wanted },
        model: {
          modelFormat: { name: "onnx" },
          storageUri: "file:///opt/pilotlight/examples/iris/model",
          resources: { requests: { cpu: "20m" } },
        },
      },
    },
  } as KubeObject;
}

describe("each type of accelerator", () => {
  let w: World;
  let node: string;

  async function setLabels(labels: Labels, on: boolean): Promise<void> {
    for (const [key, value] of Object.entries(labels)) {
      await labelNode(w.cluster, key, on ? value : undefined);
    }
  }

  const message = async (name: string): Promise<string> => {
    const found = await w.isvc(namespace, name);
    return condition(found?.status?.conditions, "LatestDeploymentReady")?.message ?? "";
  };

  before(async () => {
    w = await world();
    await w.namespace(namespace);
    node = await nodeName(w.cluster);
    await w.configure(
      "config-features",
      Object.fromEntries(FLAGS.map((flag) => [flag, "enabled"])),
    );
    await w.configure("config-deployment", { "pod-is-always-schedulable": "true" });
    for (const type of TYPES) {
      await w.apply(namespace, inferenceService(type));
    }
  });

  after(async () => {
    for (const type of TYPES) {
      const { resource } = ACCELERATORS[type];
      await untaintNode(w.cluster, { key: resource, effect: "NoSchedule" });
      await setLabels(NODES[type].labels, false);
      await patchNodeExtendedResource(w.cluster, resource, undefined);
    }
    await w.configure("config-features", Object.fromEntries(FLAGS.map((flag) => [flag, null])));
    await w.configure("config-deployment", { "pod-is-always-schedulable": null });
    await w.removeNamespace(namespace);
  });

  for (const type of TYPES) {
    const { resource } = ACCELERATORS[type];
    const { labels, count = 1 } = NODES[type];

    it(`${type} is told what the node lacks, and lands on it with that resource, label and taint`, async () => {
      const at = { namespace, name: type };
      const says = (words: string): Promise<boolean> =>
        w.client.until(`${type} says "${words}"`, async () => {
          const told = await message(type);
          if (told.includes(words)) {
            return true;
          }
          throw new Error(`it says "${told}"`);
        });
      await says(`0 of 1 node offer ${resource}`);
      await taintNode(w.cluster, { key: resource, value: "present", effect: "NoSchedule" });
      await patchNodeExtendedResource(w.cluster, resource, count);
      await says(`0 of 1 node have the label ${Object.keys(labels)[0] ?? ""}=`);
      await setLabels(labels, true);
      await w.untilUp(at);
      const pods = await w.pods(at);
      assert.equal(pods.length, 1);
      assert.equal(pods[0]?.spec.nodeName, node);
      const server = pods[0]?.spec.containers.find(({ name }) => name === "predictor");
      assert.equal(server?.resources.limits?.[resource], String(count));
      const shared = await w.kubectl(
        "exec",
        "-n",
        namespace,
        pods[0]?.metadata.name ?? "",
        "-c",
        "predictor",
        "--",
        "/opt/pilotlight/node",
        "-p",
        "const {blocks,bsize}=require('fs').statfsSync('/dev/shm'); blocks*bsize/2**30",
      );
      assert.equal(Number(shared), ACCELERATORS[type].sharedMemoryGi * count);
      await untaintNode(w.cluster, { key: resource, effect: "NoSchedule" });
    });
  }

  it("the steady state wants nothing: no Knative Service is written again", async () => {
    const versions = async (): Promise<string> =>
      w.kubectl(
        "get",
        "ksvc",
        "-n",
        namespace,
        "-o",
        "jsonpath={range .items[*]}{.metadata.name}={.metadata.generation} {end}",
      );
    const seen = await versions();
    assert.deepEqual(
      seen.trim().split(" ").toSorted(),
      TYPES.map((type) => `${type}-predictor=1`).toSorted(),
    );
  });
});
