/**
 * Accelerators: the resource is patched onto the node, so scheduling is real; the device is not.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { INFERENCE_SERVICE, KNATIVE_SERVICE } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { world, type World } from "./world.ts";

const namespace = "e2e-placement";
const NEURON = "aws.amazon.com/neuron";
const LABEL = "node.kubernetes.io/instance-type";
const FLAGS = ["kubernetes.podspec-nodeselector", "kubernetes.podspec-tolerations"];

function neuron(name: string, count = 1): KubeObject {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  return {
    apiVersion,
    kind,
    metadata: { name },
    spec: {
      predictor: {
        nodeSelector: { [LABEL]: "inf2.xlarge" },
        tolerations: [{ key: NEURON, operator: "Exists", effect: "NoSchedule" }],
        model: {
          modelFormat: { name: "onnx" },
          storageUri: "file:///opt/pilotlight/examples/iris/model",
          resources: { requests: { cpu: "20m" }, limits: { [NEURON]: count } },
        },
      },
    },
  } as KubeObject;
}

describe("placement on a node with an accelerator", () => {
  let w: World;
  let node: string;
  const status = (resource: string | null): Promise<string> =>
    w.kubectl(
      "patch",
      "node",
      node,
      "--subresource=status",
      "--type=merge",
      "-p",
      JSON.stringify({
        status: { capacity: { [NEURON]: resource }, allocatable: { [NEURON]: resource } },
      }),
    );
  const flags = (value: string | null): Promise<void> =>
    w.configure("config-features", Object.fromEntries(FLAGS.map((flag) => [flag, value])));

  before(async () => {
    w = await world();
    await w.namespace(namespace);
    node = (await w.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")).trim();
    await status("1");
    await w.kubectl("label", "node", node, `${LABEL}=inf2.xlarge`, "--overwrite");
    await flags(null);
  });

  after(async () => {
    await w.kubectl("taint", "node", node, `${NEURON}-`).catch(() => "it was not tainted");
    await w.kubectl("label", "node", node, `${LABEL}-`);
    await status(null);
    await flags(null);
    await w.removeNamespace(namespace);
  });

  it("while Knative forbids nodeSelector the condition names flags and command, and nothing is applied", async () => {
    const at = { namespace, name: "neuron" };
    await w.apply(namespace, neuron(at.name));
    const seen = await w.untilReason(at, "Ready", "KnativeFeatureDisabled");
    const message = condition(seen.status?.conditions, "Ready")?.message ?? "";
    for (const flag of FLAGS) {
      assert.ok(message.includes(flag), message);
    }
    assert.deepEqual(await w.client.list(KNATIVE_SERVICE, namespace), []);
    const command = /kubectl patch configmap .*$/.exec(message)?.[0] ?? "";
    // The command is what the message says it is: it runs, and the InferenceService goes on by
    // itself.
    await w.cluster.exec("sh", ["-c", command]);
    await w.untilUp(at);
  });

  it("it lands on that node, past its taint, with the device allocated", async () => {
    await w.kubectl("taint", "node", node, `${NEURON}=present:NoSchedule`, "--overwrite");
    const at = { namespace, name: "tainted" };
    await w.client.remove(INFERENCE_SERVICE, namespace, "neuron");
    await w.untilPods({ namespace, name: "neuron" }, 0);
    await w.apply(namespace, neuron(at.name));
    await w.untilUp(at);
    const pods = await w.kubectl("get", "pods", "-n", namespace, "-o", "json");
    const { items } = JSON.parse(pods) as {
      items: readonly {
        spec: {
          nodeName: string;
          containers: readonly { name: string; resources: { limits?: Record<string, string> } }[];
        };
      }[];
    };
    assert.equal(items[0]?.spec.nodeName, node);
    const predictor = items[0]?.spec.containers.find(({ name }) => name === "predictor");
    assert.equal(predictor?.resources.limits?.[NEURON], "1");
    await w.client.remove(INFERENCE_SERVICE, namespace, at.name);
    await w.untilPods(at, 0);
  });

  it("more devices than there are: Unschedulable in the scheduler's words", async () => {
    const at = { namespace, name: "greedy" };
    await w.apply(namespace, neuron(at.name, 4));
    const seen = await w.untilReason(at, "LatestDeploymentReady", "Unschedulable");
    assert.match(
      condition(seen.status?.conditions, "LatestDeploymentReady")?.message ?? "",
      /Insufficient aws\.amazon\.com\/neuron/,
    );
  });
});
