import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { KubeObject } from "../cluster.ts";
import { createCluster, type KubeCluster } from "./cluster.ts";
import { runController, type ControllerOptions, type RunningController } from "./manager.ts";
import { keyOf } from "./paths.ts";
import { WorkQueue } from "./queue.ts";
import { FakeClock, settle } from "./testing/fake-clock.ts";
import { FakeHttp, FakeStream } from "./testing/fake-http.ts";
import { memoryLog } from "./testing/memory-log.ts";
import { listBody, WIDGET, widget } from "./testing/objects.ts";

describe("what a reconcile wrote itself", () => {
  let clock: FakeClock;
  let http: FakeHttp;
  let stream: FakeStream;
  let cluster: KubeCluster;
  let running: RunningController | undefined;

  beforeEach(() => {
    clock = new FakeClock();
    http = new FakeHttp();
    stream = new FakeStream();
    http.answer = ({ method, body }) => (method === "GET" ? listBody(10, [widget("a", 5)]) : body);
    http.watch = () => stream;
    const shared = { http, log: memoryLog(), clock, random: () => 0.5 };
    cluster = createCluster({ kinds: [{ kind: WIDGET }], reportingInstance: "pod-1", ...shared });
  });

  afterEach(async () => {
    const stopped = running?.stop();
    await clock.advance(60_000);
    await stopped;
    assert.equal(clock.timers, 0);
  });

  async function run(
    reconcile: ControllerOptions["reconcile"],
    keys = (object: KubeObject): readonly string[] => [keyOf(object)],
  ): Promise<void> {
    const queue = new WorkQueue({ name: "test", clock, random: () => 0.5 });
    running = runController({
      name: "test",
      cluster,
      queue,
      watches: [{ kind: WIDGET, keys }],
      reconcile,
      workers: 2,
      log: memoryLog(),
      clock,
    });
    await settle();
  }

  for (const first of ["the answer", "the watch"]) {
    it(`an own status is no reason to look again, be ${first} first`, async () => {
      let runs = 0;
      const ready = { ...widget("a", 30), status: { phase: "Ready" } };
      http.answer = async ({ method }) => {
        if (method === "GET") return listBody(10, [widget("a", 5)]);
        if (first === "the watch") stream.frame("MODIFIED", ready);
        await settle();
        return ready;
      };
      await run(async () => {
        runs += 1;
        if (runs === 1) await cluster.applyStatus(WIDGET, widget("a", 1));
        return {};
      });
      await clock.advance(1000);
      if (first === "the answer") stream.frame("MODIFIED", ready);
      await clock.advance(5000);
      assert.equal(cluster.get(WIDGET, "default", "a")?.metadata.resourceVersion, "30");
      assert.equal(runs, 1);
      stream.frame("MODIFIED", { ...widget("a", 31), status: { phase: "Somebody's" } });
      await clock.advance(5000);
      assert.equal(runs, 2, "what another writes into it is");
    });
  }

  it("an object that the reconcile made is no reason to look again, its change is", async () => {
    const keys: string[] = [];
    http.answer = ({ method }) =>
      method === "GET" ? listBody(10, [widget("a", 5)]) : widget("a-child", 30);
    const own = ({ metadata }: KubeObject) => [`default/${metadata.name.slice(0, 1)}`];
    await run(async (key) => {
      keys.push(key);
      if (keys.length === 1) await cluster.applyNew(WIDGET, widget("a-child", 1));
      return {};
    }, own);
    stream.frame("ADDED", widget("a-child", 30));
    await clock.advance(1000);
    assert.deepEqual(keys, ["default/a"]);
    stream.frame("MODIFIED", widget("a-child", 31));
    await clock.advance(1000);
    assert.deepEqual(keys, ["default/a", "default/a"]);
  });

  it("what others change while a key is worked on brings it back, however much it is", async () => {
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    await run(async (key) => {
      if (key !== "default/a") return {};
      runs += 1;
      if (runs === 1) await gate.promise;
      return {};
    });
    for (let version = 11; version < 50; version += 1) {
      stream.frame("MODIFIED", widget("a", version));
    }
    await clock.advance(1000);
    assert.equal(runs, 1);
    gate.resolve();
    await clock.advance(1000);
    assert.equal(runs, 2);
  });

  it("F01: an own status that brings another's change along is looked at again", async () => {
    let runs = 0;
    http.answer = ({ method }) =>
      method === "GET"
        ? listBody(10, [widget("a", 5)])
        : widget("a", 30, { labels: { theirs: "yes" } });
    await run(async () => {
      runs += 1;
      if (runs === 1) await cluster.applyStatus(WIDGET, widget("a", 1));
      return {};
    });
    await clock.advance(1000);
    assert.equal(runs, 2);
  });
});
