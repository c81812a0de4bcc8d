/**
 * Runtimes and KServe's group on a real API server: what the controller makes of objects that come,
 * change and go. No Knative runs here.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "mocha";
import { parse } from "yaml";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import {
  CLUSTER_SERVING_RUNTIME,
  INFERENCE_SERVICE,
  KNATIVE_SERVICE,
  SERVING_RUNTIME,
} from "../../controller/api/kinds.ts";
import { KSERVE_GROUP, kserveKind } from "../../controller/api/kserve.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import type { Kind, KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { ensureModuleSource } from "../../hack/go/build.ts";
import { SERVING_VERSION } from "../../hack/go/modules.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { startController, type ControllerProcess } from "../support/controller.ts";
import { kserveDefinition } from "../support/kserve-definition.ts";
import { CRD, kube, readObjects, type Kube } from "../support/kube.ts";

const ROOT = join(import.meta.dirname, "../..");
const OURS = ["inferenceservice", "servingruntime", "clusterservingruntime"];
const KSERVE_ISVC = kserveKind(INFERENCE_SERVICE);
const KSERVE_RUNTIME = kserveKind(SERVING_RUNTIME);

function object(kind: Kind, name: string, fields: object, metadata: object = {}): KubeObject {
  const where = kind.namespaced ? { namespace: "default" } : {};
  return {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { name, ...where, ...metadata },
    ...fields,
  };
}

function isvc(kind: Kind, name: string, format: string, metadata: object = {}): KubeObject {
  const model = { modelFormat: { name: format }, storageUri: "pvc://models/a" };
  return object(kind, name, { spec: { predictor: { model } } }, metadata);
}

function runtime(kind: Kind, name: string, image: string): KubeObject {
  const supportedModelFormats = [{ name: "scores", autoSelect: true }];
  const containers = [{ name: "kserve-container", image }];
  return object(kind, name, { spec: { supportedModelFormats, containers } });
}

describe("runtimes and KServe's group on a real API server", () => {
  let apiserver: Apiserver;
  let client: Kube;
  const running: ControllerProcess[] = [];

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
    running.push(await startController(apiserver.kubeconfig, env));
  };
  const untilImage = (name: string, image: string): Promise<KnativeService> =>
    client.until(`${name}-predictor runs ${image}`, async () => {
      const found = await client.get<KnativeService>(
        KNATIVE_SERVICE,
        "default",
        `${name}-predictor`,
      );
      const seen = found?.spec?.template?.spec?.containers[0]?.image;
      if (seen === image) return found;
      throw new Error(`it runs ${seen}`);
    });
  const untilCondition = (
    kind: Kind,
    name: string,
    type: string,
    reason: string | undefined,
  ): Promise<InferenceService> =>
    client.until(`${type} of ${kind.apiVersion} ${name} has the reason ${reason}`, async () => {
      const found = await client.get<InferenceService>(kind, "default", name);
      const seen = condition(found?.status?.conditions, type);
      if (found?.status !== undefined && seen?.reason === reason) return found;
      throw new Error(JSON.stringify(found?.status?.conditions));
    });

  before(async () => {
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
    const knative = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
    const files = [
      ...OURS.map((name) => join(ROOT, `crds/${name}.yaml`)),
      join(knative, "config/core/300-resources/service.yaml"),
      join(knative, "config/core/300-resources/revision.yaml"),
    ];
    for (const file of files) {
      for (const definition of await readObjects(file)) {
        await client.apply(CRD, definition);
      }
    }
    for (const kind of [INFERENCE_SERVICE, SERVING_RUNTIME, KNATIVE_SERVICE]) {
      await client.until(`${kind.plural} are served`, () => client.list(kind, "default"));
    }
  });

  /** KServe's definitions, of ours or of somebody else. */
  async function defineKServe(partOf: string): Promise<void> {
    for (const name of OURS) {
      const text = kserveDefinition(await readFile(join(ROOT, `crds/${name}.yaml`), "utf8"));
      const definition = parse(text, { maxAliasCount: -1 }) as KubeObject;
      const labels = { "app.kubernetes.io/part-of": partOf };
      await client.apply(CRD, {
        ...definition,
        metadata: { ...definition.metadata, labels },
      });
    }
    await client.until("KServe's kind is served", () => client.list(KSERVE_ISVC, "default"));
  }

  afterEach(async () => {
    await Promise.all(running.splice(0).map((controller) => controller.end("SIGKILL")));
    const left = [INFERENCE_SERVICE, KNATIVE_SERVICE, SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME];
    for (const kind of left) {
      for (const { metadata } of await client.list(kind, "default")) {
        await client.remove(kind, "default", metadata.name);
      }
    }
  });

  after(async () => {
    await client?.close();
    await apiserver?.stop();
  });

  it("a runtime that comes frees who waited for it; a change is said, and rolls on request", async () => {
    await start();
    await client.apply(INFERENCE_SERVICE, isvc(INFERENCE_SERVICE, "a", "scores"));
    await untilCondition(INFERENCE_SERVICE, "a", "Ready", "NoSupportingRuntime");
    await client.apply(SERVING_RUNTIME, runtime(SERVING_RUNTIME, "scorer", "scorer:1"));
    const made = await untilImage("a", "scorer:1");
    const chosen = await untilCondition(INFERENCE_SERVICE, "a", "RuntimeOutdated", undefined);
    assert.equal(chosen.status?.runtime?.name, "scorer");
    assert.equal(chosen.status?.servingRuntimeName, "scorer");

    await client.apply(SERVING_RUNTIME, runtime(SERVING_RUNTIME, "scorer", "scorer:2"));
    const outdated = await untilCondition(
      INFERENCE_SERVICE,
      "a",
      "RuntimeOutdated",
      "RuntimeOutdated",
    );
    assert.equal(outdated.status?.runtime?.digest, chosen.status?.runtime?.digest);
    const kept = await untilImage("a", "scorer:1");
    assert.equal(kept.metadata.generation, made.metadata.generation, "no revision");

    // Even without the runtime it is still known what serves.
    await client.remove(SERVING_RUNTIME, "default", "scorer");
    await untilImage("a", "scorer:1");
    await client.apply(SERVING_RUNTIME, runtime(SERVING_RUNTIME, "scorer", "scorer:3"));
    const annotations = { "pilotlight.dev/runtime-refresh": "1" };
    await client.apply(INFERENCE_SERVICE, isvc(INFERENCE_SERVICE, "a", "scores", { annotations }));
    await untilImage("a", "scorer:3");
    await untilCondition(INFERENCE_SERVICE, "a", "RuntimeOutdated", undefined);
  });

  it("a ClusterServingRuntime serves where the namespace has none", async () => {
    await client.apply(
      CLUSTER_SERVING_RUNTIME,
      runtime(CLUSTER_SERVING_RUNTIME, "everywhere", "everywhere:1"),
    );
    await start();
    await client.apply(INFERENCE_SERVICE, isvc(INFERENCE_SERVICE, "a", "scores"));
    await untilImage("a", "everywhere:1");
    const seen = await untilCondition(INFERENCE_SERVICE, "a", "RuntimeOutdated", undefined);
    assert.equal(seen.status?.clusterServingRuntimeName, "everywhere");
  });

  it("KServe's group is not served where it is somebody else's, or not defined", async () => {
    const env = { KSERVE_COMPATIBILITY: "true" };
    await assert.rejects(start(env), /ended with 64/);
    await defineKServe("kserve");
    await assert.rejects(start(env), /ended with 64/);
  });

  it("KServe's group is served like ours, one replica staying, in KServe's words", async () => {
    await defineKServe("pilotlight");
    await client.apply(KSERVE_RUNTIME, runtime(KSERVE_RUNTIME, "theirs", "theirs:1"));
    await start({ KSERVE_COMPATIBILITY: "true" });
    const made = await client.apply<InferenceService>(
      KSERVE_ISVC,
      isvc(KSERVE_ISVC, "k", "scores"),
    );
    const service = await untilImage("k", "theirs:1");
    const owner = service.metadata.ownerReferences?.[0];
    assert.equal(owner?.apiVersion, `${KSERVE_GROUP}/v1beta1`);
    assert.equal(owner?.uid, made.metadata.uid);
    const template = service.spec?.template?.metadata as KubeObject["metadata"];
    assert.equal(template.annotations?.["autoscaling.knative.dev/min-scale"], "1");
    assert.equal(template.labels?.["serving.kserve.io/inferenceservice"], "k");
    const seen = await untilCondition(KSERVE_ISVC, "k", "IngressReady", "RouteNotReady");
    assert.equal(condition(seen.status?.conditions, "PredictorReady")?.status, "Unknown");

    await client.apply(INFERENCE_SERVICE, isvc(INFERENCE_SERVICE, "k", "onnx"));
    await untilCondition(INFERENCE_SERVICE, "k", "Ready", "NameConflict");
    assert.equal((await untilImage("k", "theirs:1")).metadata.uid, service.metadata.uid);
    await client.remove(KSERVE_ISVC, "default", "k");
  });
});
