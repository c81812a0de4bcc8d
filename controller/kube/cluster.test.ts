import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import {
  createCluster,
  type CacheEvent,
  type ClusterOptions,
  type KubeCluster,
} from "./cluster.ts";
import { runForKey } from "./reconcile-scope.ts";
import { FakeClock, settle } from "./testing/fake-clock.ts";
import { apiError, FakeHttp, FakeStream } from "./testing/fake-http.ts";
import { memoryLog } from "./testing/memory-log.ts";
import { listBody, WIDGET, widget } from "./testing/objects.ts";

const GADGET = { ...WIDGET, kind: "Gadget", plural: "gadgets" };

describe("createCluster", () => {
  let clock: FakeClock;
  let http: FakeHttp;
  let log: ReturnType<typeof memoryLog>;
  let clusters: KubeCluster[];
  let streams: Map<string, FakeStream>;

  beforeEach(() => {
    clock = new FakeClock();
    http = new FakeHttp();
    log = memoryLog();
    clusters = [];
    streams = new Map();
    http.answer = () => listBody(10, [widget("a", 5, { labels: { app: "x" } })]);
    http.watch = ({ path }) => {
      const stream = new FakeStream();
      streams.set(path, stream);
      return stream;
    };
  });

  afterEach(async () => {
    await Promise.all(clusters.map((one) => one.stop()));
    assert.equal(clock.timers, 0);
  });

  function cluster(options: Partial<ClusterOptions> = {}): KubeCluster {
    const one = createCluster({
      http,
      kinds: [{ kind: WIDGET, indexLabels: ["app"] }],
      reportingInstance: "pod-1",
      log,
      clock,
      random: () => 0.5,
      ...options,
    });
    clusters.push(one);
    return one;
  }

  it("reads from the cache by name, namespace and label", async () => {
    const one = cluster();
    one.start();
    await one.waitForSync(AbortSignal.timeout(1000));
    assert.equal(one.get(WIDGET, "default", "a")?.metadata.uid, "uid-a");
    assert.equal(one.list(WIDGET).length, 1);
    assert.equal(one.list(WIDGET, "elsewhere").length, 0);
    assert.equal(one.labelled(WIDGET, "default", "app", "x").length, 1);
  });

  it("a kind that is not watched is a mistake that is named", () => {
    assert.throws(() => cluster().get(GADGET, "default", "a"), /gadgets is not watched: add it/);
    const twice = { kinds: [{ kind: WIDGET }, { kind: WIDGET, namespace: "a" }] };
    assert.throws(() => cluster(twice), /Widget is watched twice in the same namespace/);
  });

  it("F37: a namespaced installation asks for nothing outside of its namespaces", async () => {
    http.answer = ({ path }) => {
      const namespace = /namespaces\/([^/]+)/.exec(path)?.[1] ?? "none";
      return listBody(10, [widget("a", 5, { namespace })]);
    };
    const one = cluster({
      kinds: ["red", "blue"].map((namespace) => ({ kind: WIDGET, namespace })),
    });
    one.start();
    await settle();
    assert(http.requests.every(({ path }) => /\/namespaces\/(red|blue)\//.test(path)));
    assert.equal(one.list(WIDGET).length, 2);
    assert.equal(one.get(WIDGET, "blue", "a")?.metadata.namespace, "blue");
  });

  it("tells every handler, also after one that throws", async () => {
    const told: string[] = [];
    const one = cluster();
    one.onChange(WIDGET, () => {
      throw new Error("handler");
    });
    one.onChange(WIDGET, ({ type, object }) => told.push(`${type} ${object.metadata.name}`));
    one.start();
    await settle();
    assert.deepEqual(told, ["added a"]);
    assert.equal(log.lines.filter(({ level }) => level === "error").length, 1);
  });

  it("F02: hands every object to the handlers again in a resync", async () => {
    const told: CacheEvent["type"][] = [];
    const one = cluster({ resyncMs: 600_000 });
    one.onChange(WIDGET, ({ type }) => told.push(type));
    one.start();
    for (let count = 0; count < 20; count += 1) {
      await clock.advance(60_000);
      for (const stream of streams.values()) {
        stream.frame("BOOKMARK", { metadata: { resourceVersion: String(20 + count) } });
      }
    }
    await settle();
    assert.deepEqual(told, ["added", "resync", "resync"]);
  });

  it("is synced when all kinds are, and waitForSync ends with its signal", async () => {
    http.answer = ({ path }) =>
      path.includes("gadgets") ? apiError(404, "NotFound") : listBody(10, []);
    const one = cluster({ kinds: [{ kind: WIDGET }, { kind: GADGET }] });
    one.start();
    const leave = new AbortController();
    const waiting = one.waitForSync(leave.signal);
    await settle();
    assert.equal(one.hasSynced(), false);
    assert.deepEqual(
      one.status().map(({ kind, synced }) => ({ kind, synced })),
      [
        { kind: "Widget", synced: true },
        { kind: "Gadget", synced: false },
      ],
    );
    leave.abort(new Error("no patience"));
    await assert.rejects(waiting, /no patience/);
  });

  it("F01: puts writes down to the key that is being reconciled", async () => {
    const one = cluster();
    one.start();
    await settle();
    http.answer = ({ method }) => (method === "PATCH" ? widget("a", 30) : {});
    await runForKey("default/isvc", () => one.apply(WIDGET, widget("a", 1)));
    await one.apply(WIDGET, widget("a", 1));
    assert.equal(one.consistency.caughtUp("default/isvc"), false);
    assert.equal(one.consistency.size, 1);
    const [stream] = streams.values();
    stream?.frame("MODIFIED", widget("a", 30));
    await settle();
    assert.equal(one.consistency.caughtUp("default/isvc"), true);
    await runForKey("default/isvc", () => one.remove(WIDGET, widget("a", 30)));
    assert.equal(one.consistency.caughtUp("default/isvc"), false);
  });

  it("starts once, however often it is told to", async () => {
    const one = cluster();
    one.start();
    one.start();
    await settle();
    assert.equal(http.watches.length, 1);
    assert.equal(clock.timers, 2, "the resync and the inactivity of one watch");
  });

  it("tells nothing after stop()", async () => {
    const told: string[] = [];
    const one = cluster();
    one.onChange(WIDGET, ({ type }) => told.push(type));
    one.start();
    await settle();
    const [stream] = streams.values();
    stream?.frame("MODIFIED", widget("a", 30));
    await one.stop();
    await clock.advance(3_600_000);
    assert.deepEqual(told, ["added"]);
  });
});
