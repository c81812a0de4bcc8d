/**
 * KServe's own Python client, and manifests as KServe's documentation writes them, on Pilotlight's
 * compatibility group.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE } from "../../controller/api/kinds.ts";
import { KSERVE_GROUP, kserveKind } from "../../controller/api/kserve.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { clusterHost } from "../../hack/cluster/addons/host.ts";
import { startS3 } from "../../hack/cluster/addons/s3.ts";
import { RELEASE, SYSTEM_NAMESPACE } from "../../hack/cluster/pilotlight.ts";
import { ensureBinary } from "../../hack/go/build.ts";
import { ensureVenv } from "../../hack/python/venv.ts";
import { kserveCredentialsExample } from "../support/kserve-example.ts";
import { ok, ROOT, world, type World } from "./world.ts";

const namespace = "e2e-kserve";
const SCRIPT = join(import.meta.dirname, "kserve_client.py");
const IRIS = "/opt/pilotlight/examples/iris/model";
const KIND = kserveKind(INFERENCE_SERVICE);

/** As KServe's documentation writes them; where the storage is out of reach, how far it must come. */
const MANIFESTS: readonly {
  readonly why: string;
  readonly text: string;
  readonly reason: RegExp;
}[] = [
  {
    why: "the first example: a framework's field, which a built-in server serves",
    text: `
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: sklearn-iris
spec:
  predictor:
    sklearn:
      storageUri: "pvc://models/sklearn/1.0/model"
`,
    reason: /^KnativeFeatureDisabled$/,
  },
  {
    why: "a named runtime, protocol v2 and resources",
    text: `
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: sklearn-v2-iris
  annotations:
    serving.kserve.io/deploymentMode: Serverless
spec:
  predictor:
    minReplicas: 1
    serviceAccountName: sa
    model:
      modelFormat:
        name: sklearn
      protocolVersion: v2
      runtime: kserve-mlserver
      storageUri: "s3://models/sklearn/mms/lr_model"
      resources:
        requests: {cpu: "100m", memory: "256Mi"}
        limits: {cpu: "1", memory: "1Gi"}
`,
    reason: /^KnativeFeatureDisabled$/,
  },
];

describe("KServe's client and manifests", () => {
  let w: World;

  async function helm(...settings: readonly string[]): Promise<void> {
    await w.cluster.exec(await ensureBinary("helm"), [
      "upgrade",
      RELEASE,
      join(ROOT, "charts/pilotlight"),
      `--namespace=${SYSTEM_NAMESPACE}`,
      "--reuse-values",
      "--wait",
      "--timeout=3m",
      ...settings,
    ]);
  }

  before(async () => {
    w = await world();
    await w.namespace(namespace);
    await helm("--set=compatibility.kserve=true");
    await w.client.until("KServe's kind is served", () => w.client.list(KIND, namespace));
  });

  after(async () => {
    await w.removeNamespace(namespace);
    await helm("--set=compatibility.kserve=false");
    // Kept on purpose by the chart; other tests are to find the cluster as it was.
    for (const plural of ["inferenceservices", "servingruntimes", "clusterservingruntimes"]) {
      await w.kubectl("delete", "crd", `${plural}.${KSERVE_GROUP}`, "--ignore-not-found");
    }
  });

  it("the Python client creates, waits for, predicts and deletes", async () => {
    const python = await ensureVenv({ name: "kserve" });
    const { host, port } = w.cluster.ingress;
    const args = [SCRIPT, w.cluster.kubeconfig, namespace, `http://${host}:${port}`, IRIS];
    const { stdout } = await w.cluster.exec(python, args);
    const seen = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as {
      readonly apiVersion: string;
      readonly conditions: Readonly<Record<string, string>>;
      readonly labels: readonly number[];
    };
    assert.equal(seen.apiVersion, "serving.kserve.io/v1beta1");
    for (const type of ["Ready", "PredictorReady", "IngressReady"]) {
      assert.equal(seen.conditions[type], "True", type);
    }
    assert.deepEqual(seen.labels, [0, 2], "a setosa and a virginica");
  });

  it("a Secret, a service account and a service as docs/kserve.md has them: the account's keys open the store", async () => {
    const keys = { accessKey: "reader", secretKey: "a-secret" };
    const folder = await mkdtemp(join(tmpdir(), "s3-kserve-"));
    await cp(join(ROOT, "examples/iris/model"), join(folder, "models/flowers"), {
      recursive: true,
    });
    const store = await startS3({ folder, host: clusterHost(w.cluster), ...keys });
    try {
      // The server's own region is the only one that it answers for.
      const input = kserveCredentialsExample()
        .replace("minio.storage:9000", new URL(store.endpoint).host)
        .replace("eu-central-1", "us-east-1");
      await w.cluster.exec("kubectl", ["apply", "-n", namespace, "-f", "-"], { input });
      await w.kubectl(
        "wait",
        `--for=condition=Ready`,
        `inferenceservices.${KSERVE_GROUP}/flowers`,
        `--namespace=${namespace}`,
        "--timeout=120s",
      );
      const body = { instances: [[5.1, 3.5, 1.4, 0.2]] };
      const at = { namespace, name: "flowers" };
      const { predictions } = ok<{ predictions: readonly unknown[] }>(
        await w.post(at, "/v1/models/flowers:predict", body),
      );
      assert.equal(predictions.length, 1);
    } finally {
      await store.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  for (const { why, text, reason } of MANIFESTS) {
    it(`kubectl apply of a manifest as it is: ${why}`, async () => {
      await w.cluster.exec("kubectl", ["apply", "-n", namespace, "-f", "-"], { input: text });
      const name = /name: (\S+)/.exec(text)?.[1] ?? "";
      await w.client.until(`${name} has a status`, async () => {
        const found = await w.client.get<InferenceService>(KIND, namespace, name);
        const seen = condition(found?.status?.conditions, "Ready");
        if (reason.test(seen?.reason ?? "")) return seen;
        throw new Error(JSON.stringify(seen));
      });
    });
  }
});
