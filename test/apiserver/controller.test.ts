/**
 * The controller against a real kube-apiserver. No Knative runs here: what Knative would say is
 * written into the status by the test, and what only a whole cluster can show is in test/e2e.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "mocha";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import { CONFIG_MAP, INFERENCE_SERVICE, KNATIVE_SERVICE } from "../../controller/api/kinds.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { readAudit } from "../../hack/cluster/audit.ts";
import { ensureModuleSource } from "../../hack/go/build.ts";
import { SERVING_VERSION } from "../../hack/go/modules.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { startController, type ControllerProcess } from "../support/controller.ts";
import { CRD, NAMESPACE, kube, readObjects, type Kube } from "../support/kube.ts";

const ROOT = join(import.meta.dirname, "../..");
const MODEL = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris/" };

function isvc(name: string, predictor: object = {}, metadata: object = {}): KubeObject {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: "default", ...metadata },
    spec: { predictor: { model: MODEL, ...predictor } },
  } as KubeObject;
}

function configMap(name: string, data: Readonly<Record<string, string>>): KubeObject {
  const { apiVersion, kind } = CONFIG_MAP;
  return { apiVersion, kind, metadata: { name, namespace: "knative-serving" }, data } as KubeObject;
}

describe("the controller on a real API server", () => {
  let apiserver: Apiserver;
  let client: Kube;
  const running: ControllerProcess[] = [];

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<ControllerProcess> => {
    const controller = await startController(apiserver.kubeconfig, env);
    running.push(controller);
    return controller;
  };
  const child = (name: string): Promise<KnativeService | undefined> =>
    client.get<KnativeService>(KNATIVE_SERVICE, "default", `${name}-predictor`);
  const untilChild = (
    name: string,
    what: string,
    check: (service: KnativeService) => boolean,
  ): Promise<KnativeService> =>
    client.until(`Knative Service of ${name}: ${what}`, async () => {
      const found = await child(name);
      return found !== undefined && check(found) ? found : undefined;
    });
  const untilStatus = (name: string, reason: string, type = "Ready"): Promise<InferenceService> =>
    client.until(`${type} of ${name} has the reason ${reason}`, async () => {
      const found = await client.get<InferenceService>(INFERENCE_SERVICE, "default", name);
      const seen = condition(found?.status?.conditions, type);
      return seen?.reason === reason && seen.observedGeneration === found?.metadata.generation
        ? found
        : undefined;
    });

  before(async () => {
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
    const knative = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
    const files = [
      join(ROOT, "crds/inferenceservice.yaml"),
      join(knative, "config/core/300-resources/service.yaml"),
      join(knative, "config/core/300-resources/revision.yaml"),
    ];
    for (const file of files) {
      for (const definition of await readObjects(file)) {
        await client.apply(CRD, definition);
      }
    }
    await client.apply(NAMESPACE, {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "knative-serving" },
    });
    for (const kind of [INFERENCE_SERVICE, KNATIVE_SERVICE]) {
      await client.until(`${kind.plural} are served`, () => client.list(kind, "default"));
    }
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((controller) => controller.end("SIGKILL")));
    for (const kind of [INFERENCE_SERVICE, KNATIVE_SERVICE]) {
      for (const object of await client.list(kind, "default")) {
        await client.remove(kind, "default", object.metadata.name);
      }
    }
    for (const name of ["config-features", "config-defaults"]) {
      await client.remove(CONFIG_MAP, "knative-serving", name);
    }
  });

  after(async () => {
    await client.close();
    await apiserver.stop();
  });

  it("makes an owned Knative Service and says that it is deploying", async () => {
    await start();
    const made = await client.apply<InferenceService>(INFERENCE_SERVICE, isvc("a"));
    const service = await untilChild("a", "exists", () => true);
    assert.equal(service.metadata.ownerReferences?.[0]?.uid, made.metadata.uid);
    const seen = await untilStatus("a", "Deploying");
    assert.equal(seen.status?.observedGeneration, 1);
    assert.equal(condition(seen.status?.conditions, "Reconciling")?.status, "True");
  });

  it("says Ready when Knative does, and writes no more after that", async () => {
    const controller = await start();
    await client.apply(INFERENCE_SERVICE, isvc("a"));
    const service = await untilChild("a", "exists", () => true);
    await client.apply(
      KNATIVE_SERVICE,
      {
        apiVersion: service.apiVersion,
        kind: service.kind,
        metadata: { name: service.metadata.name, namespace: "default" },
        status: {
          observedGeneration: service.metadata.generation,
          url: "http://a-predictor.default.example.com",
          latestCreatedRevisionName: "a-predictor-00001",
          latestReadyRevisionName: "a-predictor-00001",
          conditions: ["Ready", "RoutesReady", "ConfigurationsReady"].map((type) => ({
            type,
            status: "True",
          })),
        },
      } as KubeObject,
      "status",
    );
    const ready = await untilStatus("a", "Serving");
    assert.equal(ready.status?.url, "http://a-predictor.default.example.com");
    // A second controller reconciles everything anew: nothing is left to write.
    await controller.end();
    const before = (await readAudit(apiserver.auditLog)).length;
    const second = await start();
    await reconciled(second, 1);
    await second.end();
    const writes = (await readAudit(apiserver.auditLog)).slice(before);
    assert.deepEqual(
      writes.filter((write) => write.userAgent.startsWith("pilotlight-controller")),
      [],
    );
  });

  it("an edit of the spec changes the service once; a label, an annotation never", async () => {
    await start();
    await client.apply(INFERENCE_SERVICE, isvc("a", { containerConcurrency: 1 }));
    const first = await untilChild("a", "exists", () => true);
    assert.equal(first.metadata.generation, 1);
    const noise = { labels: { team: "x" }, annotations: { "argocd.argoproj.io/tracking-id": "y" } };
    await client.apply(INFERENCE_SERVICE, isvc("a", { containerConcurrency: 1 }, noise));
    await client.apply(INFERENCE_SERVICE, isvc("a", { containerConcurrency: 2 }, noise));
    const edited = await untilChild(
      "a",
      "has the new limit",
      (service) => service.spec?.template?.spec?.containerConcurrency === 2,
    );
    assert.equal(edited.metadata.generation, 2);
  });

  it("what is no longer wanted goes, and what others change in our fields is put back", async () => {
    await start();
    await client.apply(INFERENCE_SERVICE, isvc("a", { nodeSelector: { disk: "ssd" } }));
    await untilChild(
      "a",
      "has the selector",
      (service) => service.spec?.template?.spec?.nodeSelector?.["disk"] === "ssd",
    );
    await client.apply(INFERENCE_SERVICE, isvc("a", { timeout: 60 }));
    const service = await untilChild(
      "a",
      "has lost the selector",
      (found) => found.spec?.template?.spec?.nodeSelector === undefined,
    );
    const template = {
      spec: { timeoutSeconds: 99, containers: service.spec?.template?.spec?.containers },
    };
    await client.apply(KNATIVE_SERVICE, {
      apiVersion: service.apiVersion,
      kind: service.kind,
      metadata: { name: service.metadata.name, namespace: "default" },
      spec: { template },
    } as KubeObject);
    await untilChild(
      "a",
      "has our timeout again",
      (found) => found.spec?.template?.spec?.timeoutSeconds === 60,
    );
  });

  it("a feature that Knative forbids is named with the command, nothing is applied, and the flag frees it", async () => {
    await client.apply(CONFIG_MAP, configMap("config-features", {}));
    await start();
    await client.apply(INFERENCE_SERVICE, isvc("a", { nodeSelector: { disk: "ssd" } }));
    const refused = await untilStatus("a", "KnativeFeatureDisabled");
    const message = condition(refused.status?.conditions, "Stalled")?.message ?? "";
    assert.match(message, /kubectl patch configmap config-features -n knative-serving/);
    assert.match(message, /kubernetes\.podspec-nodeselector/);
    assert.equal(await child("a"), undefined);
    const on = { "kubernetes.podspec-nodeselector": "enabled" };
    await client.apply(CONFIG_MAP, configMap("config-features", on));
    await untilChild("a", "exists", () => true);
  });

  for (const name of [undefined, "theirs"]) {
    it(`F06: a service of somebody else, with the container ${name}, keeps its name and its content`, async () => {
      const foreign = await client.apply<KnativeService>(KNATIVE_SERVICE, {
        apiVersion: KNATIVE_SERVICE.apiVersion,
        kind: KNATIVE_SERVICE.kind,
        metadata: { name: "a-predictor", namespace: "default" },
        spec: { template: { spec: { containers: [{ name, image: "theirs" }] } } },
      } as KubeObject);
      await start();
      await client.apply(INFERENCE_SERVICE, isvc("a"));
      await untilStatus("a", "NameConflict");
      assert.equal((await child("a"))?.metadata.resourceVersion, foreign.metadata.resourceVersion);
    });
  }

  it("F19: the child of a predecessor of the same name is left to the garbage collector", async () => {
    await start();
    await client.apply(INFERENCE_SERVICE, isvc("a"));
    const old = await untilChild("a", "exists", () => true);
    await client.remove(INFERENCE_SERVICE, "default", "a");
    await client.apply(INFERENCE_SERVICE, isvc("a"));
    await untilStatus("a", "PredecessorTerminating");
    assert.equal((await child("a"))?.metadata.uid, old.metadata.uid);
    // No garbage collector runs here; the test does its work.
    await client.remove(KNATIVE_SERVICE, "default", "a-predictor");
    await untilChild("a", "is a new one", (found) => found.metadata.uid !== old.metadata.uid);
  });

  it("F07: killed again and again in the middle of its work, it leaves no duplicate and no gap", async () => {
    const names = Array.from({ length: 40 }, (_, at) => `k${at}`);
    let controller = await start();
    const creating = (async () => {
      for (const name of names) {
        await client.apply(INFERENCE_SERVICE, isvc(name));
      }
    })();
    for (const enough of [5, 15, 30]) {
      await client.until(`${enough} services exist`, async () =>
        (await client.list(KNATIVE_SERVICE, "default")).length >= enough ? true : undefined,
      );
      await controller.end("SIGKILL");
      controller = await start();
    }
    await creating;
    for (const name of names) {
      await untilStatus(name, "Deploying");
    }
    const services = await client.list<KnativeService>(KNATIVE_SERVICE, "default");
    assert.deepEqual(
      services.map((service) => service.metadata.name).toSorted(),
      names.map((name) => `${name}-predictor`).toSorted(),
    );
    assert.ok(services.every((service) => service.metadata.generation === 1));
    assert.ok(services.every((service) => service.metadata.ownerReferences?.length === 1));
  });

  it("F12: of two controllers the leader writes, and the other takes over when it is killed", async () => {
    const env = { LEADER_ELECTION: "true", POD_NAMESPACE: "default" };
    const one = await start({ ...env, POD_NAME: "one" });
    await client.apply(INFERENCE_SERVICE, isvc("a"));
    await untilChild("a", "exists", () => true);
    const two = await start({ ...env, POD_NAME: "two" });
    await one.end("SIGTERM");
    await client.apply(INFERENCE_SERVICE, isvc("b"));
    await untilChild("b", "exists", () => true);
    await two.end("SIGTERM");
  });

  it("an InferenceService that is gone is settled, and its key forgotten", async () => {
    const controller = await start();
    await client.apply(INFERENCE_SERVICE, isvc("a"));
    await untilChild("a", "exists", () => true);
    await client.remove(INFERENCE_SERVICE, "default", "a");
    await client.remove(KNATIVE_SERVICE, "default", "a-predictor");
    await client.apply(INFERENCE_SERVICE, isvc("b"));
    await untilChild("b", "exists", () => true);
    assert.equal(await child("a"), undefined);
    assert.equal(await controller.end(), 0);
  });

  /** Until this controller has come through at least so many reconciles and has nothing waiting. */
  async function reconciled(controller: ControllerProcess, least: number): Promise<void> {
    await client.until("everything is reconciled", async () => {
      const text = await (await fetch(`${controller.opsUrl}/metrics`)).text();
      const value = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
      const done = value(
        /^controller_runtime_reconcile_total\{[^}]*result="success"[^}]*\} (\d+)/m,
      );
      return done >= least && value(/^workqueue_depth\{[^}]*\} (\d+)/m) === 0 ? true : undefined;
    });
  }
});
