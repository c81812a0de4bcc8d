/**
 * Two runtimes on one cluster: our own predictor, and a server of somebody else's that a
 * ServingRuntime describes, whose model an init container fetches from an S3 server.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { INFERENCE_SERVICE, SECRET, SERVING_RUNTIME } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { clusterHost } from "../../hack/cluster/addons/host.ts";
import { startS3, type S3Server } from "../../hack/cluster/addons/s3.ts";
import { writeNodeImage } from "../../hack/cluster/node-image.ts";
import { irisRows } from "../../hack/models/iris.ts";
import { ok, ROOT, world, type World } from "./world.ts";

const namespace = "e2e-runtimes";
const own = { namespace, name: "iris" };
const other = { namespace, name: "centroids" };
const KEYS = { accessKey: "pilotlight", secretKey: "another-secret-of-this-test" };
const TAGS = ["dev.local/pilotlight-centroids:v1", "dev.local/pilotlight-centroids:v2"] as const;
const FLAG = "kubernetes.podspec-init-containers";

interface Prediction {
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

/** The mean of each class: the whole of the other server's model. */
function centroids(): readonly (readonly number[])[] {
  const rows = irisRows();
  return [0, 1, 2].map((label) => {
    const members = rows.filter((row) => row.label === label);
    return [0, 1, 2, 3].map(
      (at) =>
        members.reduce((sum, { measurements }) => sum + (measurements[at] ?? 0), 0) /
        members.length,
    );
  });
}

describe("two runtimes", () => {
  let w: World;
  let folder: string;
  let store: S3Server;
  let body: string;

  const label = (prediction: Prediction): number | undefined =>
    prediction.outputs.find(({ name }) => name === "label")?.data[0];

  async function applyRuntime(image: string): Promise<void> {
    await w.client.apply(SERVING_RUNTIME, {
      apiVersion: SERVING_RUNTIME.apiVersion,
      kind: SERVING_RUNTIME.kind,
      metadata: { name: "centroids-server", namespace },
      spec: {
        supportedModelFormats: [{ name: "centroids", version: "1", autoSelect: true }],
        protocolVersions: ["v2"],
        containers: [
          {
            name: "kserve-container",
            image,
            args: ["--model-name={{.Name}}"],
            readinessProbe: { httpGet: { path: "/v2/health/ready", port: 8080 } },
            resources: { requests: { cpu: "50m", memory: "64Mi" } },
          },
        ],
      },
    } as KubeObject);
  }

  async function applyOther(): Promise<void> {
    const key = (name: string): object => ({ secretKeyRef: { name: "model-store", key: name } });
    const env = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map((name) => ({
      name,
      valueFrom: key(name),
    }));
    await w.apply(namespace, {
      apiVersion: INFERENCE_SERVICE.apiVersion,
      kind: INFERENCE_SERVICE.kind,
      metadata: { name: other.name },
      spec: {
        predictor: {
          minReplicas: 0,
          model: {
            modelFormat: { name: "centroids" },
            storageUri: "s3://models/centroids/",
            env: [...env, { name: "AWS_ENDPOINT_URL_S3", value: store.endpoint }],
          },
        },
      },
    } as KubeObject);
  }

  before(async () => {
    w = await world();
    await w.namespace(namespace);
    folder = await mkdtemp(join(tmpdir(), "runtimes-"));
    await mkdir(join(folder, "models/centroids"), { recursive: true });
    const model = JSON.stringify({ centroids: centroids() });
    await writeFile(join(folder, "models/centroids/centroids.json"), model);
    store = await startS3({ folder, host: clusterHost(w.cluster), ...KEYS });
    for (const tag of TAGS) {
      const tar = join(folder, "image.tar");
      await writeNodeImage({ tag, script: join(import.meta.dirname, "centroids-server.cjs") }, tar);
      await w.cluster.importImage(tar);
    }
    await w.client.apply(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "model-store", namespace },
      stringData: { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey },
    } as KubeObject);
    body = await readFile(join(ROOT, "examples/iris/request.json"), "utf8");
    await w.configure("config-features", { [FLAG]: null });
  });

  after(async () => {
    await w.configure("config-features", { [FLAG]: null });
    await w.removeNamespace(namespace);
    await store.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("without Knative's init containers the condition has the command, which frees it", async () => {
    await applyRuntime(TAGS[0]);
    await applyOther();
    const refused = await w.untilReason(other, "Ready", "KnativeFeatureDisabled");
    const message = condition(refused.status?.conditions, "Ready")?.message ?? "";
    const command = /kubectl patch configmap config-features .*podspec-init-containers.*$/.exec(
      message,
    );
    assert.ok(command !== null, message);
    await w.cluster.exec("sh", ["-c", command[0]]);
    const up = await w.untilUp(other);
    assert.equal(up.status?.runtime?.name, "centroids-server");
    assert.equal(up.status?.runtime?.kind, "ServingRuntime");
  });

  it("each service is answered by its own runtime, from the model of its own", async () => {
    const manifest = await readFile(join(ROOT, "examples/iris/isvc.yaml"), "utf8");
    await w.apply(namespace, parse(manifest) as KubeObject);
    const up = await w.untilUp(own);
    assert.equal(up.status?.runtime?.name, "onnxruntime");
    const ours = ok<Prediction>(await w.post(own, "/v2/models/iris/infer", body));
    const theirs = ok<Prediction & { served_by: string }>(
      await w.post(other, "/v2/models/centroids/infer", body),
    );
    assert.equal(theirs.served_by, "centroids");
    assert.equal(label(ours), 0, "the example's flower is a setosa");
    assert.equal(label(theirs), 0);
  });

  it("the other one goes to zero and answers from there, its model fetched again", async () => {
    await w.untilPods(other, 0);
    const answer = await w.post(other, "/v2/models/centroids/infer", body);
    assert.equal(label(ok<Prediction>(answer)), 0);
    process.stdout.write(`      from zero to the answer: ${(answer.ms / 1000).toFixed(2)} s\n`);
  });

  it("a changed runtime makes no revision until it is asked for", async () => {
    const before = await w.revisions(other);
    await applyRuntime(TAGS[1]);
    await w.untilReason(other, "RuntimeOutdated", "RuntimeOutdated");
    assert.equal((await w.revisions(other)).length, before.length);
    const refresh = `pilotlight.dev/runtime-refresh=${new Date().toISOString()}`;
    await w.kubectl("annotate", "isvc", other.name, "-n", namespace, refresh, "--overwrite");
    await w.client.until("there is a new revision", async () =>
      (await w.revisions(other)).length === before.length + 1 ? true : undefined,
    );
    const up = await w.untilUp(other);
    assert.equal(condition(up.status?.conditions, "RuntimeOutdated"), undefined);
    assert.equal(label(ok<Prediction>(await w.post(other, "/v2/models/centroids/infer", body))), 0);
  });
});
