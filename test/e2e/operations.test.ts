/**
 * What an operator must not do: write at rest, double its work when it dies, or take services down
 * with it.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, describe, it } from "mocha";
import { INFERENCE_SERVICE, KNATIVE_SERVICE, POD } from "../../controller/api/kinds.ts";
import type { KnativeService } from "../../controller/api/knative-service.gen.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { readAudit } from "../../hack/cluster/audit.ts";
import { SYSTEM_NAMESPACE } from "../../hack/cluster/pilotlight.ts";
import { entrypointOf } from "../../hack/image/build.ts";
import { world, type World } from "./world.ts";

const namespace = "e2e-operations";
const REST_MS = 60_000;

function isvc(name: string): KubeObject {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  const model = {
    modelFormat: { name: "onnx" },
    storageUri: "file:///opt/pilotlight/examples/iris/model",
    resources: { requests: { cpu: "10m", memory: "64Mi" } },
  };
  return { apiVersion, kind, metadata: { name }, spec: { predictor: { model } } } as KubeObject;
}

/**
 * Processes of these pods' controllers, found by what their environment says: another checkout's
 * cluster may run on this machine.
 */
async function controllerPids(pods: readonly string[]): Promise<readonly number[]> {
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    const words = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    if (!words.startsWith(entrypointOf("controller").join("\0"))) {
      continue;
    }
    const environment = (await readFile(`/proc/${entry}/environ`, "utf8")).split("\0");
    if (pods.some((pod) => environment.includes(`POD_NAME=${pod}`))) {
      found.push(Number(entry));
    }
  }
  return found;
}

describe("the controller in operation", () => {
  let w: World;

  before(async () => {
    w = await world();
    await w.namespace(namespace);
  });

  after(() => w.removeNamespace(namespace));

  it("F07: killed with SIGKILL in the middle of reconciling, it leaves no duplicate and no gap", async () => {
    const names = Array.from({ length: 8 }, (_, at) => `killed-${at}`);
    const creating = Promise.all(names.map((name) => w.apply(namespace, isvc(name))));
    await w.client.until("the first Knative Service exists", async () =>
      (await w.client.list(KNATIVE_SERVICE, namespace)).length > 0 ? true : undefined,
    );
    const pods = await w.client.list<KubeObject>(POD, SYSTEM_NAMESPACE);
    const pids = await controllerPids(pods.map(({ metadata }) => metadata.name));
    assert.equal(pids.length, 2, "two replicas of the controller run");
    for (const pid of pids) {
      process.kill(pid, "SIGKILL");
    }
    await creating;
    for (const name of names) {
      await w.untilUp({ namespace, name });
      assert.equal((await w.revisions({ namespace, name })).length, 1, `${name} has one revision`);
    }
    const services = await w.client.list<KnativeService>(KNATIVE_SERVICE, namespace);
    assert.deepEqual(
      services.map(({ metadata }) => metadata.name).toSorted(),
      names.map((name) => `${name}-predictor`).toSorted(),
    );
    assert.ok(services.every(({ metadata }) => metadata.ownerReferences?.length === 1));
  });

  it("services answer while no controller runs", async () => {
    const at = { namespace, name: "killed-0" };
    await w.kubectl("scale", "deployment", "--all", "--replicas=0", "-n", SYSTEM_NAMESPACE);
    try {
      const request = { instances: [[5.1, 3.5, 1.4, 0.2]] };
      const answer = await w.post(at, `/v1/models/${at.name}:predict`, request);
      assert.equal(answer.status, 200, answer.body);
    } finally {
      await w.kubectl("scale", "deployment", "--all", "--replicas=2", "-n", SYSTEM_NAMESPACE);
      await w.kubectl("rollout", "status", "deployment", "-n", SYSTEM_NAMESPACE, "--timeout=120s");
    }
  });

  it("F28: at rest it writes nothing for a minute, by the API server's own audit", async function () {
    const { auditLog } = w.cluster;
    if (auditLog === undefined) {
      this.skip();
    }
    for (let at = 0; at < 8; at += 1) {
      await w.untilReason({ namespace, name: `killed-${at}` }, "Ready", "ScaledToZero");
    }
    const ours = async () =>
      (await readAudit(auditLog)).filter(
        ({ userAgent, resource }) =>
          userAgent.startsWith("pilotlight-controller") && resource !== "leases",
      );
    const before = await ours();
    assert.ok(before.length > 0, "the audit log knows our writes");
    // A minute of nothing is what is asserted: here the time itself is the thing to wait for.
    await delay(REST_MS);
    assert.deepEqual((await ours()).slice(before.length), []);
  });
});
