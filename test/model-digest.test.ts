/**
 * From the bytes that a predictor serves to status.history: the real predictor, the real reader and
 * the real reconcile, on a cluster in memory.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "mocha";
import { createModelDigests } from "../controller/model-digests.ts";
import { weightyModel } from "../hack/models/weighty.ts";
import { inFolder } from "../predictor/storage/testing/folder.ts";
import { TestPredictor } from "../predictor/testing/test-predictor.ts";
import { irisService, MemoryCluster, NO_METER, reconcileIris } from "./support/memory-cluster.ts";
import { PlayedKnative } from "./support/played-knative.ts";

const REVISION = "iris-predictor-00001";

describe("status.history[].modelDigest", () => {
  it("is what the predictor tells of its model, and is there again when the status was lost", () =>
    inFolder(async (folder) => {
      await mkdir(join(folder, "iris"));
      await writeFile(join(folder, "iris/model.onnx"), weightyModel(1024, 1));
      const environment = { STORAGE_URI: join(folder, "iris") };
      await using predictor = await TestPredictor.serving(environment);
      const { port } = predictor;
      assert.equal(await predictor.metric('pilotlight_model_info{model="iris"'), 1);
      const played = await playedWith(port);
      const first = await played.told();
      assert.match(first, /^sha256:[0-9a-f]{64}$/);
      const { length } = played.cluster.statuses;
      await played.reconcile();
      assert.equal(played.cluster.statuses.length, length, "nothing is written at rest");
      // Another controller, and a status that somebody cleared.
      const again = await playedWith(port);
      assert.equal(await again.told(), first);
      await Promise.all([played.close(), again.close()]);
    }));

  it("tells an object that was replaced under its revision", () =>
    inFolder(async (folder) => {
      const path = join(folder, "iris/model.onnx");
      await mkdir(join(folder, "iris"));
      await writeFile(path, weightyModel(1024, 1));
      const environment = { STORAGE_URI: join(folder, "iris") };
      await using older = await TestPredictor.serving(environment);
      await writeFile(path, weightyModel(1024, 2));
      await using newer = await TestPredictor.serving(environment);
      const played = await playedWith(older.port);
      const first = await played.told();
      await played.close();
      const next = await playedWith(newer.port, first);
      const second = await next.told(first);
      assert.notEqual(second, first);
      assert.ok(next.cluster.notes.some(({ reason }) => reason === "ModelReplaced"));
      await next.close();
    }));
});

/** An iris whose one pod is the predictor at `port`; its history has `digest` already, if given. */
async function playedWith(port: number, digest?: string) {
  const cluster = new MemoryCluster();
  const knative = new PlayedKnative(cluster);
  let woken = Promise.withResolvers<string>();
  const digests = createModelDigests({ wake: (key) => woken.resolve(key), nowMs: Date.now });
  const parts = { now: () => new Date("2026-11-22T12:00:00Z"), meter: NO_METER, digests };
  const reconcile = () => reconcileIris(cluster, parts);
  const ports = [{ containerPort: port, name: "http1" }];
  const model = { modelFormat: { name: "onnx" }, storageUri: "/mnt/models/iris", ports };
  const isvc = irisService({ model });
  cluster.put(isvc);
  await reconcile();
  knative.serve(REVISION);
  knative.revision(REVISION, "Ready", "Active");
  knative.pod("p1", REVISION, {
    phase: "Running",
    podIP: "127.0.0.1",
    conditions: [{ type: "Ready", status: "True" }],
    containerStatuses: [
      { name: "predictor", ready: true, restartCount: 0, state: { running: {} } },
    ],
  });
  if (digest !== undefined) {
    // What another controller saw of this revision before.
    const known = { revision: REVISION, outcome: "Serving" as const, modelDigest: digest };
    cluster.put({ ...isvc, status: { history: [known] } });
  }
  return {
    cluster,
    reconcile,
    close: () => digests.close(),
    /** Reconciles until the history tells another digest than `before`. */
    told: async (before?: string): Promise<string> => {
      for (;;) {
        const answered = woken.promise;
        await reconcile();
        const entry = cluster.statuses.at(-1)?.history?.find((one) => one.revision === REVISION);
        const found = entry?.modelDigest;
        if (found !== undefined && found !== before) return found;
        assert.equal(await answered, "default/iris");
        woken = Promise.withResolvers();
      }
    },
  };
}
