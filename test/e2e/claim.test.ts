/** A model on a PersistentVolumeClaim, which the node's kubelet mounts into the predictor's pod. */
import assert from "node:assert/strict";
import { chmod, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { INFERENCE_SERVICE } from "../../controller/api/kinds.ts";
import type { Kind, KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { ok, ROOT, world, type World } from "./world.ts";

const at = { namespace: "e2e-claim", name: "iris" };
const FLAG = "kubernetes.podspec-persistent-volume-claim";
const VOLUME: Kind = {
  apiVersion: "v1",
  kind: "PersistentVolume",
  plural: "persistentvolumes",
  namespaced: false,
};
const CLAIM: Kind = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  plural: "persistentvolumeclaims",
  namespaced: true,
};
const volume = "e2e-claim-models";
const claim = "models";
const size = { storage: "1Gi" };
const accessModes = ["ReadOnlyMany"];

function object({ apiVersion, kind }: Kind, rest: object): KubeObject {
  return { apiVersion, kind, ...rest } as KubeObject;
}

interface Prediction {
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

describe("a model on a PersistentVolumeClaim", () => {
  let w: World;
  let folder: string;

  async function bindFolder(): Promise<void> {
    const inVolume = object(VOLUME, {
      metadata: { name: volume },
      spec: {
        capacity: size,
        accessModes,
        storageClassName: "",
        persistentVolumeReclaimPolicy: "Retain",
        hostPath: { path: folder, type: "Directory" },
        claimRef: { namespace: at.namespace, name: claim },
      },
    });
    const ofVolume = object(CLAIM, {
      metadata: { name: claim, namespace: at.namespace },
      spec: {
        accessModes,
        storageClassName: "",
        volumeName: volume,
        resources: { requests: size },
      },
    });
    await w.client.apply(VOLUME, inVolume);
    await w.client.apply(CLAIM, ofVolume);
  }

  const deploy = (storageUri: string): Promise<unknown> =>
    w.apply(
      at.namespace,
      object(INFERENCE_SERVICE, {
        metadata: { name: at.name },
        spec: { predictor: { model: { modelFormat: { name: "onnx" }, storageUri } } },
      }),
    );

  before(async () => {
    w = await world();
    await w.client.remove(VOLUME, "", volume);
    await w.namespace(at.namespace);
    folder = await mkdtemp(join(tmpdir(), "claim-"));
    // The pod's user is another one than this process'.
    await chmod(folder, 0o755);
    await cp(join(ROOT, "examples/iris/model"), join(folder, "flowers/iris"), { recursive: true });
    await bindFolder();
  });

  after(async () => {
    await w.configure("config-features", { [FLAG]: null });
    await w.removeNamespace(at.namespace);
    await w.client.remove(VOLUME, "", volume);
    await rm(folder, { recursive: true, force: true });
  });

  it("while Knative forbids claims the condition names the flag, and nothing is applied", async () => {
    await deploy(`pvc://${claim}/flowers/iris`);
    const seen = await w.untilReason(at, "Ready", "KnativeFeatureDisabled");
    assert.match(condition(seen.status?.conditions, "Ready")?.message ?? "", new RegExp(FLAG));
    assert.deepEqual(await w.revisions(at), []);
  });

  it("is mounted once it is allowed, and served", async () => {
    await w.configure("config-features", { [FLAG]: "enabled" });
    await w.untilUp(at);
    const answer = ok<Prediction>(
      await w.post(at, `/v2/models/${at.name}/infer`, {
        inputs: [{ name: "input", datatype: "FP32", shape: [1, 4], data: [6.7, 3, 5.2, 2.3] }],
      }),
    );
    assert.deepEqual(answer.outputs.find(({ name }) => name === "label")?.data, [2]);
  });

  it("a path that is not in it: ModelNotFound, with the path", async () => {
    await deploy(`pvc://${claim}/flowers/rose`);
    const seen = await w.untilReason(at, "LatestDeploymentReady", "ModelNotFound");
    const message = condition(seen.status?.conditions, "LatestDeploymentReady")?.message ?? "";
    assert.match(message, /flowers\/rose/);
  });
});
