/**
 * Components, stop and resume, and kubectl scale, with the real controller on a real API server.
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "mocha";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE, KNATIVE_SERVICE } from "../../controller/api/kinds.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { ensureBinary, ensureModuleSource } from "../../hack/go/build.ts";
import { runCommand } from "../../hack/go/command.ts";
import { SERVING_VERSION } from "../../hack/go/modules.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { startController, type ControllerProcess } from "../support/controller.ts";
import { CRD, kube, readObjects, type Kube } from "../support/kube.ts";

const ROOT = join(import.meta.dirname, "../..");

const transformer = { containers: [{ name: "server", image: "example.com/transformer:1" }] };

function isvc(spec: object = {}, annotations: Readonly<Record<string, string>> = {}): KubeObject {
  const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris/" };
  return {
    apiVersion: INFERENCE_SERVICE.apiVersion,
    kind: INFERENCE_SERVICE.kind,
    metadata: { name: "iris", namespace: "default", annotations },
    spec: { predictor: { model }, ...spec },
  } as KubeObject;
}

describe("components on a real API server", () => {
  let apiserver: Apiserver;
  let client: Kube;
  let controller: ControllerProcess;

  const untilServices = (wanted: readonly string[]): Promise<readonly KnativeService[]> =>
    client.until(`the Knative Services are ${wanted.join(", ") || "none"}`, async () => {
      const found = await client.list<KnativeService>(KNATIVE_SERVICE, "default");
      const names = found.map(({ metadata }) => metadata.name).toSorted();
      return names.join() === wanted.join() ? found : undefined;
    });
  const untilStatus = (type: string, reason: string): Promise<InferenceService> =>
    client.until(`${type} has the reason ${reason}`, async () => {
      const found = await client.get<InferenceService>(INFERENCE_SERVICE, "default", "iris");
      return condition(found?.status?.conditions, type)?.reason === reason ? found : undefined;
    });

  before(async () => {
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
    const knative = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
    const files = [
      ...["inferenceservice", "servingruntime", "clusterservingruntime"].map((name) =>
        join(ROOT, `crds/${name}.yaml`),
      ),
      ...["service", "revision"].map((name) =>
        join(knative, `config/core/300-resources/${name}.yaml`),
      ),
    ];
    for (const file of files) {
      for (const definition of await readObjects(file)) {
        await client.apply(CRD, definition);
      }
    }
    for (const kind of [INFERENCE_SERVICE, KNATIVE_SERVICE]) {
      await client.until(`${kind.plural} are served`, () => client.list(kind, "default"));
    }
    controller = await startController(apiserver.kubeconfig);
  });

  after(async () => {
    await controller?.end("SIGKILL");
    await client.close();
    await apiserver.stop();
  });

  it("a component that is named gets a Knative Service, and loses it when it is not any more", async () => {
    await client.apply(INFERENCE_SERVICE, isvc({ transformer }));
    await untilServices(["iris-predictor", "iris-transformer"]);
    const seen = await untilStatus("TransformerReady", "Deploying");
    assert.equal(condition(seen.status?.conditions, "Ready")?.status, "Unknown");
    await client.apply(INFERENCE_SERVICE, isvc());
    await untilServices(["iris-predictor"]);
    await client.until("its condition is gone", async () => {
      const found = await client.get<InferenceService>(INFERENCE_SERVICE, "default", "iris");
      const left = condition(found?.status?.conditions, "TransformerReady");
      return left === undefined ? true : undefined;
    });
  });

  it("stop takes the Knative Services away, resume makes the same again", async () => {
    const [before] = await untilServices(["iris-predictor"]);
    await client.apply(INFERENCE_SERVICE, isvc({}, { "serving.kserve.io/stop": "true" }));
    await untilServices([]);
    const stopped = await untilStatus("Stopped", "Stopped");
    assert.equal(condition(stopped.status?.conditions, "Ready")?.reason, "Stopped");
    assert.equal(condition(stopped.status?.conditions, "Reconciling"), undefined);
    assert.match(stopped.status?.runtime?.pin ?? "", /"name":"onnxruntime"/);
    await client.apply(INFERENCE_SERVICE, isvc());
    const [again] = await untilServices(["iris-predictor"]);
    assert.deepEqual(again?.spec, before?.spec);
    assert.notEqual(again?.metadata.uid, before?.metadata.uid);
    const resumed = await untilStatus("Ready", "Deploying");
    assert.equal(condition(resumed.status?.conditions, "Stopped"), undefined);
    assert.equal(resumed.status?.runtime?.pin, undefined);
  });

  it("kubectl scale sets minReplicas, and the Knative Service follows", async () => {
    await untilServices(["iris-predictor"]);
    const KUBECACHEDIR = join(dirname(apiserver.kubeconfig), "kubectl-cache");
    const env = { ...process.env, KUBECONFIG: apiserver.kubeconfig, KUBECACHEDIR };
    const kubectl = await ensureBinary("kubectl");
    await runCommand(kubectl, ["scale", "isvc/iris", "--replicas=2"], { env });
    const found = await client.get<InferenceService>(INFERENCE_SERVICE, "default", "iris");
    assert.equal(found?.spec.predictor.minReplicas, 2);
    await client.until("min-scale is 2", async () => {
      const [service] = await client.list<KnativeService>(KNATIVE_SERVICE, "default");
      const annotations = service?.spec?.template?.metadata?.annotations;
      return annotations?.["autoscaling.knative.dev/min-scale"] === "2" ? true : undefined;
    });
    const path = "/apis/pilotlight.dev/v1beta1/namespaces/default/inferenceservices/iris/scale";
    const scale = await client.until("the selector is there", async () => {
      const text = await runCommand(kubectl, ["get", "--raw", path], { env });
      const read = JSON.parse(text.stdout) as { status?: { selector?: string } };
      return read.status?.selector === undefined ? undefined : read.status;
    });
    assert.equal(
      scale.selector,
      "pilotlight.dev/inferenceservice=iris,pilotlight.dev/component=predictor",
    );
  });
});
