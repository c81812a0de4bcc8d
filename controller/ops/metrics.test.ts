import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { createMetrics, type Metrics } from "./metrics.ts";

describe("metrics", () => {
  let metrics: Metrics;

  beforeEach(() => {
    metrics = createMetrics({ version: "1.2.3", defaults: false });
  });

  async function lines(name: string): Promise<string[]> {
    const text = await metrics.render();
    return text.split("\n").filter((line) => line.startsWith(name));
  }

  it("has the names that dashboards for other operators ask for", async () => {
    const text = await metrics.render();
    for (const name of [
      "controller_runtime_reconcile_total",
      "controller_runtime_reconcile_errors_total",
      "controller_runtime_reconcile_timeouts_total",
      "controller_runtime_reconcile_time_seconds",
      "controller_runtime_active_workers",
      "controller_runtime_max_concurrent_reconciles",
      "workqueue_depth",
      "workqueue_adds_total",
      "workqueue_retries_total",
      "workqueue_queue_duration_seconds",
      "workqueue_work_duration_seconds",
      "workqueue_unfinished_work_seconds",
      "workqueue_longest_running_processor_seconds",
      "rest_client_requests_total",
      "rest_client_request_duration_seconds",
      "leader_election_master_status",
      "leader_election_slowpath_total",
    ]) {
      assert(text.includes(`# TYPE ${name} `), name);
    }
  });

  it("counts a reconcile by result, in seconds", async () => {
    metrics.reconciled("isvc", "error", 1500);
    assert.deepEqual(await lines("controller_runtime_reconcile_total"), [
      'controller_runtime_reconcile_total{controller="isvc",result="error"} 1',
    ]);
    assert.deepEqual(await lines("controller_runtime_reconcile_errors_total"), [
      'controller_runtime_reconcile_errors_total{controller="isvc"} 1',
    ]);
    assert.deepEqual(await lines("controller_runtime_reconcile_time_seconds_sum"), [
      'controller_runtime_reconcile_time_seconds_sum{controller="isvc"} 1.5',
    ]);
  });

  it("asks the queue for running work at each scrape", async () => {
    let running = [{ ms: 2000 }, { ms: 500 }];
    metrics.observeQueue({ name: "isvc", runningMs: () => running });
    const labels = '{name="isvc",controller="isvc"}';
    assert.deepEqual(await lines("workqueue_unfinished_work_seconds"), [
      `workqueue_unfinished_work_seconds${labels} 2.5`,
    ]);
    running = [];
    assert.deepEqual(await lines("workqueue_longest_running_processor_seconds"), [
      `workqueue_longest_running_processor_seconds${labels} 0`,
    ]);
  });

  it("F27: the series of an InferenceService go with it", async () => {
    const object = { namespace: "default", name: "iris", condition: "Ready" };
    metrics.condition(object, "Unknown");
    metrics.condition(object, "True");
    metrics.condition({ ...object, name: "other" }, "False");
    const ready = await lines('inferenceservice_ready_status{namespace="default",name="iris"');
    assert.deepEqual(
      ready.map((line) => line.replace(/.*status="(\w+)"} /, "$1 ")),
      ["True 1", "False 0", "Unknown 0"],
    );
    metrics.forget("default", "iris");
    assert.equal((await lines("inferenceservice_ready_status")).length, 3);
  });

  it("two registries do not meet", async () => {
    createMetrics({ version: "x", defaults: false }).wrote("Widget", "apply");
    assert.deepEqual(await lines("pilotlight_writes_total"), []);
  });
});
