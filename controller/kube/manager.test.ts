import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { KubeObject } from "../cluster.ts";
import { createCluster, type KubeCluster } from "./cluster.ts";
import { LeaseLostError } from "./errors.ts";
import { noMetrics, type ReconcileResult } from "./hooks.ts";
import { createElector, type Elector } from "./lease.ts";
import {
  ownerKeys,
  runController,
  type ControllerOptions,
  type RunningController,
} from "./manager.ts";
import { WorkQueue } from "./queue.ts";
import { FakeClock, settle } from "./testing/fake-clock.ts";
import { apiError, FakeHttp, FakeStream } from "./testing/fake-http.ts";
import { FakeLeaseServer } from "./testing/fake-lease-server.ts";
import { memoryLog } from "./testing/memory-log.ts";
import { listBody, WIDGET, widget } from "./testing/objects.ts";
import { keyOf } from "./paths.ts";

describe("runController", () => {
  let clock: FakeClock;
  let http: FakeHttp;
  let stream: FakeStream;
  let log: ReturnType<typeof memoryLog>;
  let cluster: KubeCluster;
  let queue: WorkQueue;
  let results: ReconcileResult[];
  let timeouts: number;
  let running: RunningController[];

  beforeEach(() => {
    clock = new FakeClock();
    http = new FakeHttp();
    log = memoryLog();
    stream = new FakeStream();
    http.answer = ({ method, body }) =>
      method === "GET" ? listBody(10, [widget("a", 5), widget("b", 6)]) : body;
    http.watch = () => stream;
    results = [];
    timeouts = 0;
    running = [];
    const shared = { clock, random: () => 0.5 };
    queue = new WorkQueue({ name: "test", ...shared });
    cluster = createCluster({
      http,
      kinds: [{ kind: WIDGET }],
      reportingInstance: "pod-1",
      log,
      ...shared,
    });
  });

  afterEach(async () => {
    const stopped = Promise.all(running.map((one) => one.stop()));
    await clock.advance(60_000);
    await stopped;
    assert.equal(clock.timers, 0);
  });

  async function run(
    reconcile: ControllerOptions["reconcile"],
    options: Partial<ControllerOptions> = {},
  ): Promise<RunningController> {
    const metrics = {
      ...noMetrics,
      reconciled: (_: string, result: ReconcileResult) => results.push(result),
      reconcileTimedOut: () => {
        timeouts += 1;
      },
    };
    const one = runController({
      name: "test",
      cluster,
      queue,
      watches: [{ kind: WIDGET, keys: (object: KubeObject) => [keyOf(object)] }],
      reconcile,
      workers: 2,
      log,
      clock,
      metrics,
      ...options,
    });
    running.push(one);
    await settle();
    return one;
  }

  it("reconciles what is listed, and again what changes", async () => {
    const keys: string[] = [];
    await run(async (key) => {
      keys.push(key);
      return {};
    });
    assert.deepEqual(keys, ["default/a", "default/b"]);
    stream.frame("MODIFIED", { ...widget("b", 11) });
    stream.frame("DELETED", { ...widget("a", 12) });
    await settle();
    assert.deepEqual(keys.slice(2), ["default/b", "default/a"]);
    assert.deepEqual(results, ["success", "success", "success", "success"]);
  });

  it("F15: a key that always fails backs off alone; others go on", async () => {
    const count: Record<string, number> = {};
    await run((key) => {
      count[key] = (count[key] ?? 0) + 1;
      // Not even a rejection: a throw before the first await.
      if (key === "default/a") throw new Error("poison");
      return Promise.resolve({});
    });
    for (let version = 20; version < 120; version += 1) {
      stream.frame("MODIFIED", widget("b", version));
      await clock.advance(100);
    }
    assert.equal(count["default/b"], 101);
    const failures = count["default/a"] ?? 0;
    assert(failures >= 9 && failures <= 13, `${failures} attempts in ten seconds`);
    assert(log.lines.some(({ message }) => message.startsWith("reconcile failed")));
  });

  it("comes back after requeueAfterMs, and not before", async () => {
    let runs = 0;
    await run(async (key) => {
      if (key === "default/a") runs += 1;
      return key === "default/a" ? { requeueAfterMs: 5000 } : {};
    });
    await clock.advance(4999);
    assert.equal(runs, 1);
    await clock.advance(1);
    assert.equal(runs, 2);
    assert(results.includes("requeue_after"));
  });

  it("F09: waits as long as the API server asks", async () => {
    let runs = 0;
    await run(async (key) => {
      if (key !== "default/a") return {};
      runs += 1;
      throw apiError(429, "TooManyRequests", 7000);
    });
    await clock.advance(6999);
    assert.equal(runs, 1);
    await clock.advance(1);
    assert.equal(runs, 2);
  });

  it("never works on one key twice at a time, and bounds the work at once", async () => {
    const gates: PromiseWithResolvers<void>[] = [];
    let active = 0;
    let most = 0;
    await run(async () => {
      active += 1;
      most = Math.max(most, active);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
      active -= 1;
      return {};
    });
    for (const key of ["default/a", "default/b", "default/c", "default/d"]) queue.add(key);
    await settle();
    assert.equal(active, 2);
    while (gates.length > 0) {
      gates.shift()?.resolve();
      await settle();
    }
    assert.equal(most, 2);
  });

  it("a reconcile over its time gives the worker back and keeps its key locked", async () => {
    const gate = Promise.withResolvers<void>();
    const signals: AbortSignal[] = [];
    const others: string[] = [];
    await run(
      async (key, signal) => {
        if (key !== "default/a") {
          others.push(key);
          return {};
        }
        signals.push(signal);
        await gate.promise;
        return {};
      },
      { workers: 1, reconcileTimeoutMs: 1000 },
    );
    queue.add("default/a");
    await clock.advance(1000);
    assert.deepEqual([timeouts, signals.length, signals[0]?.aborted], [1, 1, true]);
    assert.deepEqual(others, ["default/b"], "the only worker went on");
    gate.resolve();
    await settle();
    assert.equal(signals.length, 2, "and the key, asked for meanwhile, comes again");
  });

  it("F01: puts a key off until the cache shows its own writes", async () => {
    const versions: (string | undefined)[] = [];
    http.answer = ({ method }) =>
      method === "GET" ? listBody(10, [widget("a", 5)]) : widget("a", 30);
    await run(async () => {
      const seen = cluster.get(WIDGET, "default", "a");
      versions.push(seen?.metadata.resourceVersion);
      if (seen?.metadata.resourceVersion === "5") await cluster.apply(WIDGET, widget("a", 1));
      return {};
    });
    queue.add("default/a");
    await clock.advance(5000);
    assert.deepEqual(versions, ["5"], "the watch is late by five seconds");
    stream.frame("MODIFIED", widget("a", 30));
    await clock.advance(1000);
    assert.deepEqual(versions, ["5", "30"]);
  });

  it("F01: goes on after 30 s with a cache that never shows the write", async () => {
    let runs = 0;
    http.answer = ({ method }) =>
      method === "GET" ? listBody(10, [widget("a", 5)]) : widget("hidden", 30);
    await run(async () => {
      runs += 1;
      if (runs === 1) await cluster.apply(WIDGET, widget("hidden", 1));
      return {};
    });
    queue.add("default/a");
    await clock.advance(29_000);
    assert.equal(runs, 1);
    await clock.advance(2000);
    assert.equal(runs, 2);
    assert(log.lines.some(({ message }) => message.includes("never showed an own write")));
  });

  it("F34: stop() takes nothing more, lets work finish, then ends the watch", async () => {
    const gate = Promise.withResolvers<void>();
    const seen: string[] = [];
    const one = await run(
      async (key, signal) => {
        seen.push(key);
        await gate.promise;
        assert.equal(signal.aborted, false);
        return {};
      },
      { workers: 1 },
    );
    const stopped = one.stop();
    await clock.advance(10_000);
    assert.equal(stream.closed, false, "the cache serves the work that still runs");
    gate.resolve();
    await stopped;
    assert.equal(await one.ended, "stopped");
    assert.deepEqual(seen, ["default/a"]);
    assert(stream.closed);
  });

  it("F34: after the grace it tells work to end, and does not wait for ever", async () => {
    let told = false;
    const one = await run(
      (_, signal) =>
        new Promise(() => {
          signal.addEventListener("abort", () => {
            told = true;
          });
        }),
      { graceMs: 5000, reconcileTimeoutMs: 600_000 },
    );
    const stopped = one.stop();
    await clock.advance(4999);
    assert.equal(told, false);
    await clock.advance(2001);
    await stopped;
    assert(told);
    assert(log.lines.some(({ message }) => message.includes("did not end in time")));
  });

  describe("with a lease", () => {
    let server: FakeLeaseServer;

    function elector(identity: string): { elector: Elector; cut: () => void } {
      const client = server.client();
      const shared = { clock, random: () => 0, log, metrics: noMetrics };
      const one = createElector({ http: client, namespace: "n", name: "l", identity, ...shared });
      const cut = (): void => {
        client.cut = new Error("cut");
      };
      return { elector: one, cut };
    }

    beforeEach(() => {
      server = new FakeLeaseServer();
    });

    it("a standby keeps its caches warm and works on nothing until it leads", async () => {
      const first = elector("first");
      first.elector.start();
      await settle();
      const keys: string[] = [];
      const reconcile = async (key: string): Promise<object> => {
        keys.push(key);
        return {};
      };
      await run(reconcile, { elector: elector("second").elector });
      assert(cluster.hasSynced());
      assert.deepEqual([keys, queue.depth], [[], 2]);
      await first.elector.stop();
      await clock.advance(5000);
      assert.deepEqual(keys, ["default/a", "default/b"]);
    });

    it("F34: the lease is given back after the work has ended, not before", async () => {
      const gate = Promise.withResolvers<void>();
      const own = elector("own");
      const work = async (): Promise<object> => {
        await gate.promise;
        return {};
      };
      const one = await run(work, { elector: own.elector });
      const stopped = one.stop();
      await clock.advance(8000);
      assert.equal(server.holder, "own");
      gate.resolve();
      await stopped;
      assert.equal(server.holder, "");
    });

    it("F34: work that would not end keeps the lease from being given back", async () => {
      const own = elector("own");
      const one = await run(() => new Promise(() => {}), { elector: own.elector, graceMs: 100 });
      const stopped = one.stop();
      await clock.advance(5000);
      await stopped;
      assert.equal(server.holder, "own");
      assert.equal(own.elector.mayWrite(), false, "and the work may not write any more");
    });

    it("F12: a lost lease ends the controller: work is told at once, and it says so", async () => {
      const own = elector("own");
      const aborted: string[] = [];
      const one = await run(
        (key, signal) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted.push(key);
              reject(new LeaseLostError("not the leader"));
            });
          }),
        { elector: own.elector },
      );
      own.cut();
      await clock.advance(11_000);
      assert.equal(await one.ended, "lost");
      assert.deepEqual(aborted, ["default/a", "default/b"]);
      assert.equal(server.holder, "own", "what was lost is not given back");
    });
  });
});

describe("ownerKeys", () => {
  const rows = [
    { why: "its controller", kind: "Widget", group: "test.pilotlight.dev/v1", controller: true },
    { why: "an older version", kind: "Widget", group: "test.pilotlight.dev/v0", controller: true },
    { why: "no controller", kind: "Widget", group: "test.pilotlight.dev/v1", controller: false },
    { why: "another group", kind: "Widget", group: "other.dev/v1", controller: true },
    { why: "another kind", kind: "Gadget", group: "test.pilotlight.dev/v1", controller: true },
  ];
  for (const [at, { why, kind, group, controller }] of rows.entries()) {
    it(`${at < 2 ? "finds" : "leaves out"} ${why}`, () => {
      const reference = { apiVersion: group, kind, name: "owner", uid: "u", controller };
      const child = widget("child", 1, { ownerReferences: [reference] });
      assert.deepEqual(ownerKeys(child, WIDGET), at < 2 ? ["default/owner"] : []);
    });
  }
});
