/** Failures that a user makes or meets, and what the status says of them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { INFERENCE_SERVICE } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { world, type World } from "./world.ts";

const namespace = "e2e-failures";

function isvc(name: string, storageUri: string, predictor: object = {}): KubeObject {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const model = {
    modelFormat: { name: "onnx" },
    storageUri,
    resources: { requests: { cpu: "20m" } },
  };
  return {
    apiVersion,
    kind,
    metadata: { name },
    spec: { predictor: { model, ...predictor } },
  } as KubeObject;
}

describe("failures are said in the words of whoever failed", () => {
  let w: World;

  before(async () => {
    w = await world();
    await w.namespace(namespace);
  });

  after(() => w.removeNamespace(namespace));

  it("a model that does not exist: ModelNotFound, stalled, with the path", async () => {
    const at = { namespace, name: "missing" };
    await w.apply(namespace, isvc(at.name, "file:///opt/pilotlight/examples/none"));
    const seen = await w.untilReason(at, "Ready", "ModelNotFound");
    const stalled = condition(seen.status?.conditions, "Stalled");
    assert.equal(stalled?.status, "True");
    assert.match(stalled?.message ?? "", /examples\/none/);
    assert.equal(seen.status?.modelStatus?.transitionStatus, "BlockedByFailedLoad");
    const events = await w.kubectl("get", "events.events.k8s.io", "-n", namespace, "-o", "json");
    assert.match(events, /ModelNotFound/);
    await w.client.remove(INFERENCE_SERVICE, namespace, at.name);
  });

  it("a file that is no model: ModelLoadFailed in onnxruntime's words", async () => {
    const at = { namespace, name: "broken" };
    await w.apply(namespace, isvc(at.name, "file:///opt/pilotlight/predictor.cjs"));
    const seen = await w.untilReason(at, "LatestDeploymentReady", "ModelLoadFailed");
    assert.ok((seen.status?.modelStatus?.lastFailureInfo?.message ?? "").length > 10);
    assert.equal(seen.status?.modelStatus?.lastFailureInfo?.exitCode, 65);
    await w.client.remove(INFERENCE_SERVICE, namespace, at.name);
  });

  it("a bad edit leaves the old revision serving: Ready stays True, Stalled says why", async () => {
    const at = { namespace, name: "edited" };
    const good = "file:///opt/pilotlight/examples/iris/model";
    await w.apply(namespace, isvc(at.name, good));
    await w.untilUp(at);
    await w.apply(namespace, isvc(at.name, "file:///opt/pilotlight/examples/none"));
    const seen = await w.untilReason(at, "LatestDeploymentReady", "ModelNotFound");
    assert.equal(condition(seen.status?.conditions, "Ready")?.status, "True");
    const request = {
      inputs: [{ name: "input", shape: [1, 4], datatype: "FP32", data: [5.1, 3.5, 1.4, 0.2] }],
    };
    const answer = await w.post(at, `/v2/models/${at.name}/infer`, request);
    assert.equal(answer.status, 200, answer.body);
    await w.apply(namespace, isvc(at.name, good));
    const healed = await w.untilUp(at);
    assert.equal(condition(healed.status?.conditions, "Stalled"), undefined);
    await w.client.remove(INFERENCE_SERVICE, namespace, at.name);
  });

  it("an image that cannot be pulled is named", async () => {
    const at = { namespace, name: "unpullable" };
    const { apiVersion, kind } = INFERENCE_SERVICE;
    await w.apply(namespace, {
      apiVersion,
      kind,
      metadata: { name: at.name },
      spec: { predictor: { containers: [{ name: "server", image: "dev.local/none:1" }] } },
    } as KubeObject);
    const seen = await w.untilReason(at, "LatestDeploymentReady", "ImagePullFailed");
    assert.match(condition(seen.status?.conditions, "Ready")?.message ?? "", /dev\.local\/none:1/);
    await w.client.remove(INFERENCE_SERVICE, namespace, at.name);
  });

  it("a timeout over the cluster's maximum is refused with the command that raises it", async () => {
    const at = { namespace, name: "patient" };
    const good = "file:///opt/pilotlight/examples/iris/model";
    await w.apply(namespace, isvc(at.name, good, { timeout: 900 }));
    const seen = await w.untilReason(at, "Ready", "TimeoutOverClusterMaximum");
    assert.match(
      condition(seen.status?.conditions, "Ready")?.message ?? "",
      /kubectl patch configmap config-defaults/,
    );
    assert.equal((await w.revisions(at)).length, 0);
    await w.client.remove(INFERENCE_SERVICE, namespace, at.name);
  });
});
