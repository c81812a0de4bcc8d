import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { EventNote } from "../cluster.ts";
import { EventRecorder } from "./events.ts";
import { noMetrics } from "./hooks.ts";
import { FakeClock, settle } from "./testing/fake-clock.ts";
import { apiError, FakeHttp } from "./testing/fake-http.ts";
import { memoryLog } from "./testing/memory-log.ts";
import { widget } from "./testing/objects.ts";
import { noFence } from "./write.ts";

const CREATED: EventNote = { type: "Normal", reason: "Created", message: "made it" };

describe("EventRecorder", () => {
  let clock: FakeClock;
  let http: FakeHttp;
  let log: ReturnType<typeof memoryLog>;
  let recorder: EventRecorder;
  let dropped: string[];

  beforeEach(() => {
    clock = new FakeClock();
    http = new FakeHttp();
    http.answer = () => ({});
    log = memoryLog();
    dropped = [];
    recorder = new EventRecorder({
      http,
      reportingInstance: "pod-1",
      fence: noFence,
      clock,
      random: () => 0.5,
      log,
      metrics: { ...noMetrics, eventDropped: (reason) => dropped.push(reason) },
    });
  });

  afterEach(async () => {
    await recorder.stop();
    assert.equal(clock.timers, 0);
  });

  async function note(message = CREATED.message, name = "iris"): Promise<void> {
    recorder.note(widget(name, 7), { ...CREATED, message });
    await settle();
  }

  it("publishes an events.k8s.io/v1 Event with everything the API asks for", async () => {
    await note();
    const [request] = http.requests;
    assert.equal(request?.path, "/apis/events.k8s.io/v1/namespaces/default/events");
    assert.deepEqual(request.body, {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: "iris.1b8dac5b400800000", namespace: "default" },
      eventTime: "2030-01-01T00:00:00.000000Z",
      reportingController: "pilotlight.dev/controller",
      reportingInstance: "pod-1",
      action: "Reconcile",
      type: "Normal",
      reason: "Created",
      note: "made it",
      regarding: {
        apiVersion: "test.pilotlight.dev/v1",
        kind: "Widget",
        name: "iris",
        namespace: "default",
        uid: "uid-iris",
        resourceVersion: "7",
      },
    });
  });

  it("makes a series of repeats: one update for the second, the rest counted and told later", async () => {
    for (let count = 0; count < 50; count += 1) await note();
    assert.equal(http.requests.length, 2);
    const patch = http.requests[1];
    assert.equal(patch?.method, "PATCH");
    assert.equal(patch.contentType, "application/merge-patch+json");
    assert.deepEqual(patch.body, {
      series: { count: 2, lastObservedTime: "2030-01-01T00:00:00.000000Z" },
    });
    await clock.advance(61_000);
    assert.deepEqual(http.requests[2]?.body, {
      series: { count: 50, lastObservedTime: "2030-01-01T00:00:00.000000Z" },
    });
    await clock.advance(600_000);
    assert.equal(http.requests.length, 3);
    assert.equal(recorder.sizes().series, 0);
    await note();
    assert.equal(http.requests[3]?.method, "POST", "after six quiet minutes it is news again");
  });

  it("refreshes a series that goes on at most every five minutes", async () => {
    for (let second = 0; second < 1800; second += 10) {
      await note();
      await clock.advance(10_000);
    }
    const patches = http.requests.filter(({ method }) => method === "PATCH");
    assert(patches.length >= 5 && patches.length <= 8, `${patches.length} updates in half an hour`);
  });

  it("lets one object say 25 different things, others theirs, and then one in five minutes", async () => {
    for (let count = 0; count < 100; count += 1) await note(`m${count}`);
    assert.equal(http.requests.length, 25);
    assert.equal(dropped.filter((reason) => reason === "spam").length, 75);
    await note("m", "other");
    assert.equal(http.requests.length, 26);
    await clock.advance(300_000);
    await note("later");
    assert.equal(http.requests.length, 27);
  });

  it("cuts long notes on a character, and long names on a letter", async () => {
    await note("ä".repeat(2000), `${"a".repeat(199)}.b`);
    const body = http.requests[0]?.body as { note: string; metadata: { name: string } };
    assert(Buffer.byteLength(body.note) <= 1024);
    assert.match(body.note, /^ä+…$/);
    assert.match(body.metadata.name, /^a{199}\.[0-9a-f]+$/);
  });

  it("only logs a failure, and begins anew with the next repeat", async () => {
    http.answer = () => apiError(403, "Forbidden");
    await note();
    assert.equal(log.lines.filter(({ level }) => level === "warn").length, 1);
    http.answer = () => ({});
    await note();
    assert.equal(http.requests[1]?.method, "POST");
  });

  it("begins anew when the Event to be continued has expired", async () => {
    await note();
    http.answer = () => apiError(404, "NotFound");
    await note();
    http.answer = () => ({});
    await note();
    assert.deepEqual(
      http.requests.map(({ method }) => method),
      ["POST", "PATCH", "POST"],
    );
  });

  it("F27: memory is bounded, also while the server answers nothing", async () => {
    const stuck = Promise.withResolvers<unknown>();
    http.answer = () => stuck.promise;
    for (let count = 0; count < 10_000; count += 1) {
      recorder.note(widget(`w${count}`, 1), CREATED);
    }
    const { series, objects, tasks } = recorder.sizes();
    assert(series <= 1024 && objects <= 4096 && tasks <= 256, `${series} ${objects} ${tasks}`);
    assert(dropped.includes("overflow"));
    stuck.resolve({});
    await settle();
  });

  it("stop() sends what waits, and takes no more", async () => {
    recorder.note(widget("a", 1), CREATED);
    recorder.note(widget("b", 1), CREATED);
    await recorder.stop();
    recorder.note(widget("c", 1), CREATED);
    assert.equal(http.requests.length, 2);
  });
});
