/**
 * F23: a cluster without Knative. The user waits in front of a status, so that is where it must be
 * said.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE, KNATIVE_SERVICE } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { ensureModuleSource } from "../../hack/go/build.ts";
import { SERVING_VERSION } from "../../hack/go/modules.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { startController, type ControllerProcess } from "../support/controller.ts";
import { CRD, kube, readObjects, type Kube } from "../support/kube.ts";

const ROOT = join(import.meta.dirname, "../..");

function isvc(annotations: Readonly<Record<string, string>>): KubeObject {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris/" };
  const metadata = { name: "a", namespace: "default", annotations };
  return { apiVersion, kind, metadata, spec: { predictor: { model } } } as KubeObject;
}

describe("F23: a cluster without Knative", () => {
  let apiserver: Apiserver;
  let client: Kube;
  let controller: ControllerProcess;

  before(async () => {
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
    await define(join(ROOT, "crds/inferenceservice.yaml"));
    await client.until("the kind is served", () => client.list(INFERENCE_SERVICE, "default"));
    controller = await startController(apiserver.kubeconfig);
  });

  after(async () => {
    await controller?.end("SIGKILL");
    await client?.close();
    await apiserver?.stop();
  });

  async function define(file: string): Promise<void> {
    for (const definition of await readObjects(file)) {
      await client.apply(CRD, definition);
    }
  }

  it("the status says that Knative is missing, and the controller is ready all the same", async () => {
    await client.apply(INFERENCE_SERVICE, isvc({}));
    const seen = await client.until("the reason is KnativeNotInstalled", async () => {
      const found = await client.get<InferenceService>(INFERENCE_SERVICE, "default", "a");
      const ready = condition(found?.status?.conditions, "Ready");
      return ready?.reason === "KnativeNotInstalled" ? ready : undefined;
    });
    assert.match(seen.message ?? "", /install Knative Serving/);
    const answer = await fetch(`${controller.opsUrl}/readyz`);
    assert.equal(answer.status, 200, await answer.text());
  });

  it("once Knative is there, it goes on", async () => {
    const knative = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
    for (const kind of ["service", "revision"]) {
      await define(join(knative, `config/core/300-resources/${kind}.yaml`));
    }
    await client.until("the kind is served", () => client.list(KNATIVE_SERVICE, "default"));
    await client.apply(INFERENCE_SERVICE, isvc({ "example.com/look": "again" }));
    await client.until("the Knative Service exists", () =>
      client.get(KNATIVE_SERVICE, "default", "a-predictor"),
    );
  });
});
