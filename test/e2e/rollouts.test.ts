/**
 * Rollouts, counted at the client: a canary's share is what was asked for, a bad revision is rolled
 * back by its own numbers, and nobody loses a request to a revision that does not come up.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "mocha";
import type {
  InferenceService,
  PredictorSpec,
  RolloutSpec,
} from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE, SECRET } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { clusterHost } from "../../hack/cluster/addons/host.ts";
import { startS3, type S3Server } from "../../hack/cluster/addons/s3.ts";
import { failingModel, lookupModel, slowLookupModel } from "../../hack/models/fixtures.ts";
import { type Counted, type Load, share, startLoad } from "./load.ts";
import { type At, GRACE_MS, routeHost, world, type World } from "./world.ts";

const namespace = "e2e-rollouts";
const KEYS = { accessKey: "pilotlight", secretKey: "a-secret-of-this-test" };
/** Row 7 of each model's table says which model it is. */
const ASKED = 7;
const REQUEST = JSON.stringify({
  inputs: [{ name: "ids", datatype: "INT64", shape: [1, 1], data: [ASKED] }],
});
const GATE = { maxErrorRatio: 0.05, maxLatencyP95: "300ms", minRequests: 30 };
const ROLLOUT: RolloutSpec = {
  steps: [
    { percent: 10, duration: "5s" },
    { percent: 50, duration: "5s" },
  ],
  gate: GATE,
};
const DEVICE = "example.com/device";
const POINTS = 3;
/** Of so many in a row, 10 % are 50 give or take 7: four times that is not met by chance. */
const WINDOW = 500;
const WINDOW_POINTS = 5.4;
const SAMPLE = 3000;

function table(which: number): readonly number[] {
  return Array.from({ length: ASKED + 1 }, (_, row) => (row === ASKED ? which : 0));
}

const MODELS: Readonly<Record<string, Uint8Array>> = {
  one: lookupModel(table(1)),
  two: lookupModel(table(2)),
  three: lookupModel(table(3)),
  // Loads well, and fails for what clients ask.
  failing: failingModel(),
  // 1,400,000 turns of a loop for what clients ask: over the gate's limit on any machine, alone too.
  slow: slowLookupModel(table(9), 200_000),
};
const WHO: Readonly<Record<number, string>> = { 1: "one", 2: "two", 3: "three", 9: "slow" };

describe("rollouts", () => {
  let w: World;
  let folder: string;
  let store: S3Server;
  const loads: Load[] = [];

  async function apply(
    at: At,
    model: string,
    predictor: Partial<PredictorSpec> = {},
    resources: object = { requests: { cpu: "10m", memory: "64Mi" } },
  ): Promise<void> {
    const { apiVersion, kind } = INFERENCE_SERVICE;
    const spec = {
      modelFormat: { name: "onnx" },
      storageUri: `s3://models/${model}/`,
      resources,
    };
    const annotations = { "pilotlight.dev/storage-secret": "model-store" };
    await w.apply(at.namespace, {
      apiVersion,
      kind,
      metadata: { name: at.name, annotations },
      spec: { predictor: { minReplicas: 1, model: spec, ...predictor } },
    } as KubeObject);
  }

  /** The device is the kubelet's to offer; here the test does. */
  async function giveNodes(capacity: Readonly<Record<string, string>>): Promise<void> {
    const patch = JSON.stringify({ status: { capacity, allocatable: capacity } });
    const names = await w.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}");
    for (const name of names.split(" ")) {
      await w.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", patch);
    }
  }

  function load(at: At): Load {
    const { host, port } = w.cluster.ingress;
    const started = startLoad({
      url: `http://${host}:${port}/v2/models/${at.name}/infer`,
      host: routeHost(at),
      body: REQUEST,
      concurrency: 8,
      who: (body) => {
        const { outputs } = JSON.parse(body) as { outputs: [{ data: [number] }] };
        return WHO[outputs[0].data[0]] ?? body;
      },
    });
    loads.push(started);
    return started;
  }

  /** Waits until 200 answers are all `who`'s: Envoy's workers take a change one after the other. */
  async function untilOnly(who: string, from: Load): Promise<void> {
    await w.client.until(`nobody is answered but by ${who}`, async () =>
      share(await from.next(200), who) === 100 ? true : undefined,
    );
  }

  /** Waits until the Knative Service says so and a request was answered so. */
  async function untilShare(at: At, percent: number, from: Load, who: string): Promise<void> {
    await w.client.until(`the newest revision of ${at.name} has ${percent} %`, async () => {
      const found = await w.isvc(at.namespace, at.name);
      const { traffic, latestCreatedRevision } = found?.status?.components?.predictor ?? {};
      const newest = traffic?.find(({ revisionName }) => revisionName === latestCreatedRevision);
      const settled = condition(found?.status?.conditions, "Ready")?.observedGeneration;
      if (newest?.percent === percent && settled === found?.metadata.generation) {
        return true;
      }
      throw new Error(JSON.stringify(found?.status?.components));
    });
    await from.seen(who);
  }

  function near(counted: Counted, who: string, percent: number): void {
    const found = share(counted, who);
    const told = `${who} has ${found.toFixed(1)} % of ${counted.total}, not ${percent} ± ${POINTS}`;
    assert.ok(Math.abs(found - percent) <= POINTS, told);
  }

  before(async () => {
    w = await world();
    await w.namespace(namespace);
    folder = await mkdtemp(join(tmpdir(), "rollouts-"));
    for (const [name, bytes] of Object.entries(MODELS)) {
      await mkdir(join(folder, "models", name), { recursive: true });
      await writeFile(join(folder, "models", name, "model.onnx"), bytes);
    }
    store = await startS3({ folder, host: clusterHost(w.cluster), ...KEYS });
    await w.client.apply(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "model-store", namespace },
      stringData: {
        AWS_ACCESS_KEY_ID: KEYS.accessKey,
        AWS_SECRET_ACCESS_KEY: KEYS.secretKey,
        AWS_ENDPOINT_URL_S3: store.endpoint,
        AWS_REGION: "us-east-1",
      },
    } as KubeObject);
  });

  afterEach(async () => {
    await Promise.all(loads.splice(0).map((each) => each.stop()));
  });

  after(async () => {
    await w.configure("config-autoscaler", { "allow-zero-initial-scale": null });
    await w.configure("config-deployment", { "pod-is-always-schedulable": null });
    await store?.stop();
    await rm(folder, { recursive: true, force: true });
    await w.removeNamespace(namespace);
  });

  it("canary 100 → 10 → 50 → 100: each share at the client within 3 points, no request lost", async () => {
    const at = { namespace, name: "canary" };
    await apply(at, "one");
    await w.untilUp(at);
    const clients = load(at);
    await clients.seen("one");
    await apply(at, "two", { canaryTrafficPercent: 10 });
    await w.untilUp(at);
    await untilShare(at, 10, clients, "two");
    near(await clients.next(SAMPLE), "two", 10);
    await apply(at, "two", { canaryTrafficPercent: 50 });
    await untilShare(at, 50, clients, "two");
    near(await clients.next(SAMPLE), "two", 50);
    await apply(at, "two");
    await untilShare(at, 100, clients, "two");
    await untilOnly("two", clients);
    const { by } = clients.all();
    assert.deepEqual([...by.keys()].toSorted(), ["one", "two"], "every request had its result");
    const traffic = (await w.isvc(namespace, at.name))?.status?.components?.predictor?.traffic;
    assert.deepEqual(
      traffic?.map(({ tag, percent }) => [tag, percent]),
      [[undefined, 100]],
      "prev is gone",
    );
  });

  it("rollback to 0 %: after a promotion the revision before has everything again", async () => {
    const at = { namespace, name: "canary" };
    const clients = load(at);
    await clients.seen("two");
    await apply(at, "two", { canaryTrafficPercent: 0 });
    await untilShare(at, 0, clients, "one");
    await untilOnly("one", clients);
    assert.equal(share(await clients.next(SAMPLE), "one"), 100);
    assert.deepEqual([...clients.all().by.keys()].toSorted(), ["one", "two"]);
  });

  it("a revision that does not come up takes no request from the one that serves", async () => {
    const at = { namespace, name: "canary" };
    const clients = load(at);
    await clients.seen("one");
    await apply(at, "nowhere", { canaryTrafficPercent: 50 });
    await w.untilReason(at, "LatestDeploymentReady", "ModelNotFound");
    assert.deepEqual([...(await clients.next(SAMPLE)).by.keys()], ["one"]);
    assert.deepEqual([...clients.all().by.keys()], ["one"]);
    const found = await w.isvc(namespace, at.name);
    assert.equal(condition(found?.status?.conditions, "Ready")?.status, "True");
  });

  it("a good revision goes through its steps by itself", async () => {
    const at = { namespace, name: "stepped" };
    await apply(at, "one", { rollout: ROLLOUT });
    await w.untilUp(at);
    const clients = load(at);
    await clients.seen("one");
    await apply(at, "two", { rollout: ROLLOUT });
    await w.untilReason(at, "RolloutComplete", "Promoted");
    await untilShare(at, 100, clients, "two");
    await untilOnly("two", clients);
    assert.deepEqual([...clients.all().by.keys()].toSorted(), ["one", "two"]);
  });

  for (const { bad, answer, reason, words, minRequests } of [
    {
      bad: "failing",
      minRequests: 30,
      answer: "status 500",
      reason: "ErrorRatioTooHigh",
      words: /error ratio 1 over 0\.05 in \d+ requests/,
    },
    {
      bad: "slow",
      // One after the other, each a second or more.
      minRequests: 10,
      answer: "slow",
      reason: "LatencyTooHigh",
      words: /P95 latency \d+ ms over 300 ms in \d+ requests/,
    },
  ]) {
    it(`a ${bad} revision is rolled back without a human, and the good one keeps 90 %`, async () => {
      const at = { namespace, name: "stepped" };
      const clients = load(at);
      await clients.seen("two");
      await apply(at, bad, { rollout: { ...ROLLOUT, gate: { ...GATE, minRequests } } });
      const found = await w.untilReason(at, "RolloutComplete", reason);
      assertRolledBack(found, reason, words);
      await untilOnly("two", clients);
      const all = clients.all();
      assert.ok((all.by.get(answer) ?? 0) >= minRequests, "the bad one was tried");
      assert.deepEqual(
        [...all.by.keys()].toSorted(),
        [answer, "two"].toSorted(),
        `nobody else: ${JSON.stringify([...all.by])}`,
      );
      assert.ok(share(all, "two") >= 90 - POINTS, `${share(all, "two")} % were good answers`);
      const lowest = clients.lowestShare("two", WINDOW);
      assert.ok(
        lowest >= 90 - WINDOW_POINTS,
        `${lowest} % of ${WINDOW} in a row were good answers`,
      );
      const events = await w.kubectl("get", "events.events.k8s.io", "-n", namespace);
      assert.match(events, new RegExp(`${reason}.*rolled back: `));
      const tried = `revision ${found.status?.rollout?.revision}, step`;
      assert.ok(events.includes(`${tried} 1 of 2: 10 %`), events);
      assert.ok(!events.includes(`${tried} 2 of 2`), "it never had more than 10 %");
      const [newest] = found.status?.history ?? [];
      assert.equal(newest?.outcome, "RolledBack");
      assert.equal(newest?.storageUri, `s3://models/${bad}/`);
      assert.equal(newest?.appliedBy, "test");
    });
  }

  it("Recreate: one device serves one revision after the other, requests wait, a bad one gives it back", async () => {
    await w.configure("config-autoscaler", { "allow-zero-initial-scale": "true" });
    await w.configure("config-deployment", { "pod-is-always-schedulable": "true" });
    await giveNodes({ [DEVICE]: "1" });
    const at = { namespace, name: "recreated" };
    // How long requests wait for a revision that does not come up, and Knative for its pods.
    const limits = { minReplicas: 0, timeout: 60, startupTimeout: 30 };
    const recreate = { rollout: { strategy: "Recreate" }, ...limits } as const;
    const device = { requests: { cpu: "10m", memory: "64Mi" }, limits: { [DEVICE]: "1" } };
    await apply(at, "one", recreate, device);
    await w.untilUp(at);
    const clients = load(at);
    await clients.seen("one");
    await apply(at, "two", recreate, device);
    await w.untilReason(at, "RolloutComplete", "Promoted", GRACE_MS);
    await clients.seen("two");
    await apply(at, "nowhere", recreate, device);
    const found = await w.untilReason(at, "RolloutComplete", "RevisionFailed", GRACE_MS);
    assert.equal(found.status?.rollout?.stableRevision, "recreated-predictor-00002");
    await clients.seen("two");
    const { by } = clients.all();
    assert.ok((by.get("one") ?? 0) > 0 && (by.get("two") ?? 0) > 0, JSON.stringify([...by]));
    // Twice a pod must go, and a queue-proxy that did not hear it stays for its whole grace.
  }).timeout(4 * GRACE_MS);

  it("a fix after a rollback is a new try", async () => {
    const at = { namespace, name: "stepped" };
    const clients = load(at);
    await clients.seen("two");
    await apply(at, "three", { rollout: ROLLOUT });
    await w.untilReason(at, "RolloutComplete", "Promoted");
    await untilShare(at, 100, clients, "three");
    assert.deepEqual([...clients.all().by.keys()].toSorted(), ["three", "two"]);
  });
});

function assertRolledBack(found: InferenceService, reason: string, words: RegExp): void {
  const { conditions, rollout } = found.status ?? {};
  assert.match(condition(conditions, "RolloutComplete")?.message ?? "", words);
  assert.equal(condition(conditions, "Ready")?.status, "True", "the stable revision serves");
  assert.equal(condition(conditions, "Stalled")?.reason, "RolledBack");
  assert.deepEqual([rollout?.phase, rollout?.reason, rollout?.percent], ["RolledBack", reason, 0]);
}
