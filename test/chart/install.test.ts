/** The chart on a real API server, by kubectl and by Helm. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { CHART, ROOT } from "../../hack/chart/generate.ts";
import { INSTALL_NAMESPACE, installNamespace, renderChart } from "../../hack/chart/install.ts";
import { callKube } from "../../hack/cluster/kube-request.ts";
import { useTestCluster } from "./cluster.ts";
import { parseManifests, podTemplate, type Manifest } from "./objects.ts";

const CHART_PATH = join(ROOT, CHART);
const MODEL = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris" };

interface Stored {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string };
}

describe("charts/pilotlight on a real API server", function () {
  this.timeout(120_000);
  const cluster = useTestCluster("knative-serving");

  function resourceVersions(all: readonly Manifest[]): Promise<readonly string[]> {
    return Promise.all(
      all.map(async ({ kind, metadata: { name, namespace } }) => {
        const where = namespace === undefined ? [] : ["-n", namespace];
        const output = await cluster().kubectl(["get", kind, name, ...where, "-o", "json"]);
        return (JSON.parse(output) as Stored).metadata.resourceVersion;
      }),
    );
  }

  async function createInferenceService(name: string): Promise<void> {
    const manifest = {
      apiVersion: "pilotlight.dev/v1beta1",
      kind: "InferenceService",
      metadata: { name, namespace: "default" },
      spec: { predictor: { model: MODEL } },
    };
    await cluster().untilServed();
    await cluster().kubectl(["apply", "-f", "-"], stringify(manifest));
  }

  describe("by kubectl", () => {
    let text: string;
    let all: readonly Manifest[];

    before(async () => {
      text = `${installNamespace()}${await renderChart()}`;
      all = parseManifests(text);
      await cluster().kubectl(["apply", "--server-side", "--validate=strict", "-f", "-"], text);
      // The API server writes the status of each by and by; then it leaves them alone.
      await cluster().kubectl([
        "wait",
        "--for=condition=Established",
        "crd",
        "--all",
        "--timeout=60s",
      ]);
    });

    after(async () => {
      await cluster().untilServed();
      await cluster().kubectl(["delete", "--wait=false", "-f", "-"], text);
      await cluster().untilDefinitionsAreGone();
    });

    it("changes nothing when it is applied again", async () => {
      const before = await resourceVersions(all);
      await cluster().kubectl(["apply", "--server-side", "-f", "-"], text);
      assert.deepEqual(await resourceVersions(all), before);
    });

    it("makes pods that the restricted profile lets in", async () => {
      const { spec, metadata } = podTemplate(all);
      assert.deepEqual(await createPod({ metadata, spec }), { status: 201, refusal: "" });
      const { securityContext: _dropped, ...lax } = spec;
      const { status, refusal } = await createPod({ metadata, spec: lax });
      assert.equal(status, 403, "the namespace enforces the profile at all");
      assert.match(refusal, /violates PodSecurity "restricted:latest"/);
    });

    async function createPod(template: {
      metadata: object;
      spec: object;
    }): Promise<{ status: number; refusal: string }> {
      const { status, body } = await callKube(cluster().apiserver.endpoint, {
        method: "POST",
        path: `/api/v1/namespaces/${INSTALL_NAMESPACE}/pods?dryRun=All`,
        body: {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { ...template.metadata, name: "trial" },
          spec: template.spec,
        },
      });
      const { message = "" } = JSON.parse(body) as { message?: string };
      return { status, refusal: message };
    }
  });

  describe("by Helm", () => {
    const release = ["pilotlight", CHART_PATH, "--namespace", "operators"];

    before(async () => {
      await cluster().createNamespace("operators");
      const notes = await cluster().helm("install", ...release);
      assert.match(notes, /kubectl -n operators rollout status deployment\/pilotlight/);
      assert.match(notes, /WARNING: image\.registry is empty/);
      await createInferenceService("kept");
    });

    it("upgrades with other values, and back", async () => {
      const deployment = "/apis/apps/v1/namespaces/operators/deployments/pilotlight";
      interface Scaled {
        readonly spec: { readonly replicas: number };
      }
      await cluster().helm("upgrade", ...release, "--set", "replicaCount=3,podLabels.a=b");
      assert.equal((await cluster().get<Scaled>(deployment)).spec.replicas, 3);
      await cluster().helm("rollback", "pilotlight", "1", "--namespace", "operators");
      assert.equal((await cluster().get<Scaled>(deployment)).spec.replicas, 2);
    });

    it("leaves definition and InferenceServices behind when uninstalled, and finds them again", async () => {
      const path = "/apis/pilotlight.dev/v1beta1/namespaces/default/inferenceservices/kept";
      const before = await cluster().get<Stored>(path);
      await cluster().helm("uninstall", "pilotlight", "--namespace", "operators");
      assert.equal((await cluster().get<Stored>(path)).metadata.uid, before.metadata.uid);
      const left = await cluster().kubectl(["get", "clusterroles,deployments", "-A", "-o", "name"]);
      assert.doesNotMatch(left, /pilotlight/);
      await cluster().helm("install", ...release);
      assert.equal((await cluster().get<Stored>(path)).metadata.uid, before.metadata.uid);
    });
  });
});
