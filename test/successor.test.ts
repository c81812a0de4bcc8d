/**
 * F19: an InferenceService that is deleted and made again by the same name. What there was of its
 * predecessor goes minutes later, and what was worked out for that one is not its own.
 */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { INFERENCE_SERVICE, KNATIVE_SERVICE } from "../controller/api/kinds.ts";
import type { InferenceService } from "../controller/api/inferenceservice.gen.ts";
import { condition } from "../controller/observe/conditions.ts";
import {
  irisService,
  MemoryCluster,
  NO_DIGESTS,
  NO_METER,
  reconcileIris,
  reconcileOnce,
} from "./support/memory-cluster.ts";
import { PlayedKnative, SERVICE } from "./support/played-knative.ts";

const REVISION = "iris-predictor-00001";

describe("an InferenceService that is made again by the same name", () => {
  const parts = {
    now: () => new Date("2026-11-22T12:00:00Z"),
    meter: NO_METER,
    digests: NO_DIGESTS,
  };
  let cluster: MemoryCluster;
  let knative: PlayedKnative;

  beforeEach(async () => {
    cluster = new MemoryCluster();
    knative = new PlayedKnative(cluster);
    cluster.put(irisService({}));
    await reconcileIris(cluster, parts);
    startRevision();
    await reconcileIris(cluster, parts);
    assert.deepEqual(historyOf(iris()), [`${REVISION} Deploying`]);
  });

  function iris(): InferenceService | undefined {
    return cluster.get<InferenceService>(INFERENCE_SERVICE, "default", "iris");
  }

  function startRevision(): void {
    knative.revision(REVISION, "Ready=Unknown/Deploying");
    knative.say({ latestCreatedRevisionName: REVISION }, ["Ready=Unknown"]);
  }

  function crash(): void {
    const terminated = { exitCode: 77, reason: "Error", message: "no access to s3://models/iris/" };
    const state = { waiting: { reason: "CrashLoopBackOff", message: "back-off" } };
    const failed = { name: "predictor", ready: false, restartCount: 1, state };
    knative.pod("p1", REVISION, {
      phase: "Running",
      containerStatuses: [{ ...failed, lastState: { terminated } }],
    });
  }

  function makeAgain(): void {
    const service = irisService({});
    cluster.put({ ...service, metadata: { ...service.metadata, uid: "u2" } });
  }

  it("is not written the status of before", async () => {
    crash();
    const { notes, statuses } = cluster;
    const before = [notes.length, statuses.length];
    const of = () => {
      // Between the look at the cluster and the write.
      makeAgain();
      return new Map();
    };
    await reconcileOnce(cluster, { ...parts, digests: { ...NO_DIGESTS, of } });
    assert.equal(iris()?.status, undefined);
    assert.deepEqual([notes.length, statuses.length], before);
  });

  it("is not told the trouble of before", async () => {
    crash();
    await reconcileIris(cluster, parts);
    assert.equal(condition(iris()?.status?.conditions, "Ready")?.reason, "StorageAccessDenied");
    makeAgain();
    await reconcileIris(cluster, parts);
    const waiting = condition(iris()?.status?.conditions, "Ready");
    assert.equal(waiting?.reason, "PredecessorTerminating");
    await cluster.remove(KNATIVE_SERVICE, {
      ...KNATIVE_SERVICE,
      metadata: { name: SERVICE, namespace: "default" },
    });
    // The pod and the revision of before are there still when Knative names the new one.
    await reconcileIris(cluster, parts);
    knative.say({ latestCreatedRevisionName: REVISION }, ["Ready=Unknown"]);
    await reconcileIris(cluster, parts);
    assert.deepEqual(historyOf(iris()), []);
    assert.equal(condition(iris()?.status?.conditions, "Ready")?.status, "Unknown");
    startRevision();
    await reconcileIris(cluster, parts);
    assert.deepEqual(historyOf(iris()), [`${REVISION} Deploying`]);
  });
});

function historyOf(isvc: InferenceService | undefined): readonly string[] {
  return (isvc?.status?.history ?? []).map(({ revision, outcome }) => `${revision} ${outcome}`);
}
