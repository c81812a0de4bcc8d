/**
 * A status is written when it says something new, not when something moves: sequences of events as
 * they were seen on clusters, each followed by a reconcile, and how many statuses come of them.
 */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { INFERENCE_SERVICE } from "../controller/api/kinds.ts";
import type { InferenceServiceStatus } from "../controller/api/inferenceservice.gen.ts";
import type { ContainerStatus, Pod } from "../controller/observe/pods.ts";
import type { Meter } from "../controller/rollout/metrics.ts";
import {
  irisService,
  MemoryCluster,
  NO_DIGESTS,
  NO_METER,
  reconcileIris,
} from "./support/memory-cluster.ts";
import { PlayedKnative } from "./support/played-knative.ts";

const ONE = "iris-predictor-00001";
const TWO = "iris-predictor-00002";
const STARTING = ["Ready=Unknown", "RoutesReady=Unknown", "ConfigurationsReady=Unknown"];

type State = NonNullable<ContainerStatus["state"]>;
const CREATING: State = { waiting: { reason: "ContainerCreating" } };
const RUNNING: State = { running: {} };

/** The status of a pod whose containers are in a state. */
function pod(predictor: State, more: Partial<ContainerStatus> = {}): Pod["status"] {
  const ready = more.ready ?? false;
  return {
    phase: predictor === CREATING ? "Pending" : "Running",
    podIP: "10.0.0.1",
    conditions: [
      { type: "PodScheduled", status: "True" },
      {
        type: "Ready",
        status: ready ? "True" : "False",
        lastTransitionTime: "2026-11-22T12:00:02Z",
      },
    ],
    containerStatuses: [
      { name: "predictor", restartCount: 0, ...more, ready, state: predictor },
      { name: "queue-proxy", ready, restartCount: 0, state: RUNNING },
    ],
  };
}

describe("the statuses that are written", () => {
  let cluster: MemoryCluster;
  let knative: PlayedKnative;
  let nowMs: number;
  let meter: Meter;

  beforeEach(() => {
    cluster = new MemoryCluster();
    knative = new PlayedKnative(cluster);
    nowMs = Date.parse("2026-11-22T12:00:00Z");
    meter = countingMeter();
  });

  /** A second later, something happened. */
  async function then(happen: () => unknown = () => {}, afterMs = 1000): Promise<void> {
    nowMs += afterMs;
    await happen();
    await reconcileIris(cluster, { now: () => new Date(nowMs), meter, digests: NO_DIGESTS });
  }

  /** What `sequence` made the controller write. */
  async function written(sequence: () => Promise<void>): Promise<readonly string[]> {
    const { length } = cluster.statuses;
    await sequence();
    return cluster.statuses.slice(length).map(shown);
  }

  async function startPod(name: string, revision: string): Promise<void> {
    await then(() => knative.pod(name, revision, { phase: "Pending" }));
    await then(() => knative.pod(name, revision, pod(CREATING)));
    await then(() => knative.pod(name, revision, pod(RUNNING)));
    await then(() => knative.pod(name, revision, pod(RUNNING, { ready: true })));
  }

  async function endPod(name: string, revision: string): Promise<void> {
    const leaving = { deletionTimestamp: "2026-11-22T12:10:00Z" };
    await then(() => knative.pod(name, revision, pod(RUNNING, { ready: true }), leaving));
    await then(() => knative.pod(name, revision, pod(RUNNING), leaving));
    await then(() => knative.gone(name));
  }

  async function deploy(predictor: object = {}): Promise<void> {
    await then(() => cluster.put(irisService(predictor)));
    await then(() => knative.say({}, STARTING));
    await then(() => knative.revision(ONE, "Ready=Unknown/Deploying", "Active=Unknown/Deploying"));
    await then(() => knative.say({ latestCreatedRevisionName: ONE }, STARTING));
  }

  async function serve(): Promise<void> {
    await deploy();
    await startPod("p1", ONE);
    await then(() => knative.revision(ONE, "Ready", "Active", "ContainerHealthy"));
    const routing = [
      "Ready=Unknown",
      "RoutesReady=Unknown/Uninitialized/Waiting for load balancer",
    ];
    const names = { latestReadyRevisionName: ONE };
    await then(() => knative.say(names, [...routing, "ConfigurationsReady"]));
    await then(() => knative.serve(ONE));
  }

  async function fallAsleep(name: string): Promise<void> {
    await then(() => knative.revision(ONE, "Ready", "Active=False/NoTraffic/no requests"));
    await endPod(name, ONE);
  }

  it("are few while a service is made", async () => {
    const seen = await written(serve);
    assert.ok(seen.length <= 8, told(seen));
  });

  it("are four for a start from zero and the way back", async () => {
    await serve();
    await fallAsleep("p1");
    const seen = await written(async () => {
      await then(() => knative.revision(ONE, "Ready", "Active=Unknown/Queued/waiting"));
      await startPod("p2", ONE);
      await then(() => knative.revision(ONE, "Ready", "Active"));
      await fallAsleep("p2");
    });
    assert.ok(seen.length <= 4, told(seen));
  });

  /** Ends, waits, and starts again. */
  async function crash(name: string, restartCount: number, exitCode: number): Promise<void> {
    const message = `cannot reach 10.0.${restartCount}.7:${40_000 + restartCount} after ${nowMs} ms`;
    const terminated = { exitCode, reason: "Error", message };
    const waiting = { reason: "CrashLoopBackOff", message: `back-off ${restartCount}0s` };
    const lastState = { terminated };
    await then(() => knative.pod(name, ONE, pod({ terminated }, { restartCount })));
    await then(() => knative.pod(name, ONE, pod({ waiting }, { restartCount, lastState })));
    const next = { restartCount: restartCount + 1, lastState };
    await then(() => knative.pod(name, ONE, pod(RUNNING, next)));
  }

  for (const [why, exitCodes] of [
    ["two pods that crash again and again, each in its own words", { p1: 1, p2: 1 }],
    ["two pods in different trouble", { p1: 1, p2: 70 }],
  ] as const) {
    it(`do not follow ${why}`, async () => {
      await deploy({ minReplicas: 2 });
      const seen = await written(async () => {
        for (const name of ["p1", "p2"]) {
          await then(() => knative.pod(name, ONE, pod(CREATING)));
          await then(() => knative.pod(name, ONE, pod(RUNNING)));
        }
        for (let restart = 0; restart < 10; restart += 1) {
          await crash("p1", restart, exitCodes.p1);
          await crash("p2", restart, exitCodes.p2);
        }
      });
      assert.ok(seen.length <= 7, told(seen));
    });
  }

  it("do not follow the kubelet between two words for an image that it cannot pull", async () => {
    await deploy();
    const cause = (port: number) =>
      `lookup registry: read udp 10.0.0.1:${port}->10.0.0.2:53: timeout`;
    const seen = await written(async () => {
      await then(() => knative.pod("p1", ONE, pod(CREATING)));
      for (let pull = 0; pull < 10; pull += 1) {
        const failed = { reason: "ErrImagePull", message: cause(40_000 + pull) };
        const backOff = { reason: "ImagePullBackOff", message: 'Back-off pulling image "x"' };
        await then(() => knative.pod("p1", ONE, pod({ waiting: failed })));
        await then(() => knative.pod("p1", ONE, pod({ waiting: backOff })));
      }
    });
    assert.ok(seen.length <= 4, told(seen));
    assert.match(seen.at(-1) ?? "", /lookup registry/, "the cause is not forgotten");
  });

  it("do not follow the scheduler's numbers", async () => {
    await deploy();
    const seen = await written(async () => {
      for (let nodes = 3; nodes < 13; nodes += 1) {
        const message = `0/${nodes} nodes are available: ${nodes} Insufficient cpu.`;
        const conditions = [
          { type: "PodScheduled", status: "False", reason: "Unschedulable", message },
        ];
        await then(() => knative.pod("p1", ONE, { phase: "Pending", conditions }));
      }
    });
    assert.ok(seen.length <= 1, told(seen));
  });

  it("are three for each step of a rollout, and none for the requests that it counts", async () => {
    await serve();
    const steps = [5, 10, 25, 50, 75].map((percent) => ({ percent, duration: "60s" }));
    const gate = { maxErrorRatio: 0.1, maxLatencyP95: "1s", minRequests: 20 };
    const seen = await written(async () => {
      const before = cluster.get(INFERENCE_SERVICE, "default", "iris");
      const spec = irisService({ rollout: { steps, gate }, containerConcurrency: 2 }).spec;
      await then(() =>
        cluster.put({
          ...before,
          metadata: { ...irisService({}).metadata, generation: 2 },
          spec,
        } as never),
      );
      await then(() =>
        knative.revision(TWO, "Ready=Unknown/Deploying", "Active=Unknown/Deploying"),
      );
      await then(() => knative.say({ latestCreatedRevisionName: TWO }, STARTING.slice(1)));
      await startPod("p2", TWO);
      await then(() => knative.revision(TWO, "Ready", "Active", "ContainerHealthy"));
      await then(() => knative.serve(TWO, { [ONE]: 100 }));
      for (const { percent } of steps) {
        // Knative has seen the new shares, routes them, and has routed them.
        const routing = [
          "Ready=Unknown",
          "RoutesReady=Unknown/Uninitialized",
          "ConfigurationsReady",
        ];
        await then(() => knative.say({}, routing));
        await then(() => knative.serve(TWO, { [ONE]: 100 - percent, [TWO]: percent }));
        for (let look = 0; look < 12; look += 1) {
          await then(() => {}, 5000);
        }
      }
      await then(() => knative.serve(TWO));
    });
    assert.equal(cluster.statuses.at(-1)?.rollout?.phase, "Promoted", told(seen));
    assert.ok(seen.length <= 22, told(seen));
  });
});

/** Three requests more at each look of a step, and latencies that never are the same. */
function countingMeter(): Meter {
  let [step, looks] = ["", 0];
  return {
    ...NO_METER,
    measure: (asked) => {
      looks = asked.step === step ? looks + 1 : 0;
      step = asked.step;
      const errors = looks % 2;
      return Promise.resolve({ requests: looks * 3, errors, latencyP95Ms: 20 + looks });
    },
  };
}

/** What tells a status from the one before, in a line. */
function shown(status: InferenceServiceStatus): string {
  const { conditions = [], modelStatus, rollout, replicas, lastColdStart } = status;
  const words = conditions
    .filter(({ type }) => type !== "PredictorReady")
    .map(({ type, status: word, message = "" }) => `${type}=${word} ${message.slice(0, 80)}`);
  const { copies, states } = modelStatus ?? {};
  return JSON.stringify([words, replicas, copies, states, rollout?.step, lastColdStart]);
}

function told(seen: readonly string[]): string {
  return `${seen.length} statuses:\n${seen.join("\n")}`;
}
