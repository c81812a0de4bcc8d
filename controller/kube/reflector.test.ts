import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { KubeObject } from "../cluster.ts";
import { TransportError } from "./errors.ts";
import { noMetrics } from "./hooks.ts";
import { createReflector, type Reflector, type ReflectorOptions } from "./reflector.ts";
import { Store, type Change } from "./store.ts";
import { FakeClock, settle } from "./testing/fake-clock.ts";
import { apiError, FakeHttp, FakeStream } from "./testing/fake-http.ts";
import { memoryLog } from "./testing/memory-log.ts";
import { listBody, WIDGET, widget } from "./testing/objects.ts";

const PATH = "/apis/test.pilotlight.dev/v1/widgets";

describe("Reflector", () => {
  let clock: FakeClock;
  let http: FakeHttp;
  let store: Store;
  let log: ReturnType<typeof memoryLog>;
  let told: string[];
  let streams: FakeStream[];
  let running: Reflector[];

  beforeEach(() => {
    clock = new FakeClock();
    http = new FakeHttp();
    store = new Store();
    log = memoryLog();
    told = [];
    streams = [];
    running = [];
    http.answer = () => listBody(10, [widget("a", 5)]);
    http.watch = () => {
      const stream = new FakeStream();
      streams.push(stream);
      return stream;
    };
  });

  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    assert.equal(clock.timers, 0, "a stopped reflector leaves no timer");
  });

  function reflector(options: Partial<ReflectorOptions> = {}): Reflector {
    const onChange = ({ type, object }: Change): void => {
      told.push(`${type} ${object.metadata.name} ${object.metadata.resourceVersion}`);
    };
    const one = createReflector({
      http,
      kind: WIDGET,
      store,
      onChange,
      clock,
      // 0.5 takes the jitter out of every delay.
      random: () => 0.5,
      log,
      metrics: noMetrics,
      ...options,
    });
    running.push(one);
    return one;
  }

  async function started(options: Partial<ReflectorOptions> = {}): Promise<Reflector> {
    const one = reflector(options);
    one.start();
    await settle();
    return one;
  }

  function stream(at = streams.length - 1): FakeStream {
    const one = streams[at];
    assert(one !== undefined, `there is no watch number ${at}`);
    return one;
  }

  async function frame(type: string, object: KubeObject): Promise<void> {
    stream().frame(type, object);
    await settle();
  }

  it("lists, then watches from the list's version with bookmarks and a bounded time", async () => {
    const one = await started({ labelSelector: "app=x", namespace: "default" });
    assert(one.hasSynced());
    assert.deepEqual(
      http.requests.map(({ path, query }) => ({ path, query })),
      [
        {
          path: "/apis/test.pilotlight.dev/v1/namespaces/default/widgets",
          query: { limit: 500, labelSelector: "app=x", continue: undefined },
        },
        {
          path: "/apis/test.pilotlight.dev/v1/namespaces/default/widgets",
          query: {
            watch: true,
            allowWatchBookmarks: true,
            resourceVersion: "10",
            timeoutSeconds: 450,
            labelSelector: "app=x",
          },
        },
      ],
    );
  });

  it("I15: keeps what is listed as it keeps what is watched: frozen, without managedFields", async () => {
    http.answer = () => listBody(10, [widget("a", 5, { managedFields: [{}] })]);
    await started();
    await frame("ADDED", widget("b", 11, { managedFields: [{}] }));
    for (const { metadata } of store.list()) {
      assert.equal(metadata.managedFields, undefined, metadata.name);
      assert.ok(Object.isFrozen(metadata), metadata.name);
    }
    assert.equal(store.size, 2);
  });

  it("follows adds, updates and deletes", async () => {
    const one = await started();
    await frame("ADDED", widget("b", 11));
    await frame("MODIFIED", widget("a", 12));
    await frame("DELETED", widget("b", 13));
    assert.deepEqual(told, ["added a 5", "added b 11", "updated a 12", "deleted b 11"]);
    assert.equal(one.lastSyncRV(), "13");
  });

  it("F36: publishes nothing of a list whose pages expire, and begins it anew", async () => {
    let call = 0;
    http.answer = () => {
      call += 1;
      if (call === 1) return listBody(10, [widget("early", 1)], "token");
      if (call === 2) return apiError(410, "Expired");
      if (call === 3) return listBody(20, [widget("a", 15)], "token2");
      return listBody(20, [widget("b", 16)]);
    };
    await started();
    assert.deepEqual(told, ["added a 15", "added b 16"]);
    assert.deepEqual(
      http.lists.map(({ query }) => query?.["continue"]),
      [undefined, "token", undefined, "token2"],
    );
    assert.equal(streams.length, 1);
  });

  it("F03: 410 as HTTP status relists at once, and a second one waits", async () => {
    let watches = 0;
    http.watch = () => {
      watches += 1;
      if (watches <= 2) return apiError(410, "Expired");
      streams.push(new FakeStream());
      return stream();
    };
    await started();
    assert.equal(http.lists.length, 2, "the first one is followed by a list at once");
    await clock.advance(1599);
    assert.equal(http.lists.length, 2, "the second one by a pause: no tight loop");
    await clock.advance(1);
    assert.equal(http.lists.length, 3);
    assert.equal(streams.length, 1);
  });

  it("F03: 410 within the stream relists and finds the delete that no watch told", async () => {
    await started();
    http.answer = () => listBody(50, [widget("b", 40)]);
    stream().frame("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" });
    await settle();
    assert.deepEqual(told, ["added a 5", "deleted a 5", "added b 40"]);
    assert.equal(http.watches.at(-1)?.query?.["resourceVersion"], "50");
  });

  it("F04: a failing list is tried for ever, ever more slowly, and then synced", async () => {
    http.answer = () => apiError(503, "ServiceUnavailable");
    const one = await started();
    const delays: number[] = [];
    for (let count = 1; count < 12; count += 1) {
      const before = clock.nowMs();
      while (http.lists.length === count) await clock.advance(100);
      delays.push(clock.nowMs() - before);
    }
    assert.deepEqual(delays.slice(0, 4), [800, 1600, 3200, 6400]);
    assert(delays.every((delay) => delay <= 30_000));
    assert.equal(one.hasSynced(), false);
    assert.match(one.status().trouble ?? "", /ServiceUnavailable/);
    http.answer = () => listBody(10, []);
    await clock.advance(30_000);
    assert(one.hasSynced());
    assert.equal(one.status().trouble, undefined);
  });

  it("F09: waits as long as the server asks", async () => {
    http.answer = () => apiError(429, "TooManyRequests", 20_000);
    await started();
    await clock.advance(19_999);
    assert.equal(http.lists.length, 1);
    await clock.advance(1);
    assert.equal(http.lists.length, 2);
  });

  it("F10: a broken watch resumes where it stopped, without a list", async () => {
    await started();
    await frame("MODIFIED", widget("a", 12));
    stream().end(new TransportError("reset"));
    await settle();
    assert.equal(streams.length, 1, "not at once");
    await clock.advance(800);
    assert.equal(http.lists.length, 1);
    assert.equal(http.watches.at(-1)?.query?.["resourceVersion"], "12");
  });

  it("F10: resumes without a list after an outage of an hour, and lists when it is refused", async () => {
    await started();
    const resume = http.watch;
    http.watch = () => new TransportError("refused");
    stream().end(new TransportError("reset"));
    await clock.advance(3_600_000);
    http.watch = () => apiError(429, "TooManyRequests");
    await clock.advance(300_000);
    assert.equal(http.lists.length, 1, "a server that is starting says so with 429");
    http.watch = () => apiError(500, "InternalError");
    await clock.advance(60_000);
    assert.equal(http.lists.length, 1, "one refusal after a long outage is not many");
    await clock.advance(300_000);
    assert(http.lists.length > 1, "a server that answers 500 for ever may mean our version");
    http.watch = resume;
    await clock.advance(60_000);
    assert.equal(streams.length, 2);
  });

  it("resumes from the last bookmark when the server ends the watch", async () => {
    await started();
    stream().frame("BOOKMARK", { metadata: { resourceVersion: "77" } });
    await settle();
    stream().end();
    await settle();
    assert.deepEqual([http.lists.length, streams.length], [1, 2]);
    assert.equal(http.watches.at(-1)?.query?.["resourceVersion"], "77");
  });

  it("a server that ends each watch at once does not make a tight loop", async () => {
    http.watch = () => {
      const one = new FakeStream();
      one.end();
      streams.push(one);
      return one;
    };
    await started();
    await clock.advance(10_000);
    assert(streams.length < 8, `${streams.length} watches in ten seconds`);
    assert(http.lists.length >= 1);
  });

  it("F11: a watch silent for 90 s is abandoned with its connection, and resumed", async () => {
    await started();
    await clock.advance(60_000);
    stream().frame("BOOKMARK", { metadata: { resourceVersion: "20" } });
    await clock.advance(89_999);
    assert.equal(stream().abandoned, false, "any byte begins the 90 s anew");
    await clock.advance(1);
    assert(stream(0).abandoned);
    await clock.advance(800);
    assert.equal(streams.length, 2);
    assert.equal(http.watches.at(-1)?.query?.["resourceVersion"], "20");
  });

  it("I12: a line cut off or no JSON leads to a list, so that nothing is lost", async () => {
    await started();
    http.answer = () => listBody(30, [widget("a", 5), widget("lost", 29)]);
    stream().bytes('{"type":"ADDED","obj');
    stream().end();
    await settle();
    await clock.advance(800);
    assert.deepEqual(told, ["added a 5", "added lost 29"]);
  });

  it("F35: frames that come again or too late change nothing", async () => {
    await started();
    await frame("MODIFIED", widget("a", 12));
    await frame("DELETED", widget("a", 13));
    await frame("MODIFIED", widget("a", 12));
    assert.equal(store.size, 0, "a deleted object does not come back");
    assert.deepEqual(told, ["added a 5", "updated a 12", "deleted a 12"]);
  });

  it("F19: delete and re-creation across a disconnect are told as both", async () => {
    await started();
    await frame("MODIFIED", widget("a", 20, { uid: "second" }));
    assert.deepEqual(told, ["added a 5", "deleted a 5", "added a 20"]);
  });

  it("time travel: a list older than what is known is refused, until it insists", async () => {
    await started();
    await frame("MODIFIED", widget("a", 12));
    http.answer = () => listBody(11, [widget("a", 5)]);
    stream().frame("ERROR", { kind: "Status", code: 410 });
    await settle();
    assert.equal(store.get("default", "a")?.metadata.resourceVersion, "12");
    await clock.advance(3000);
    assert.equal(store.get("default", "a")?.metadata.resourceVersion, "12");
    await clock.advance(30_000);
    assert.equal(
      store.get("default", "a")?.metadata.resourceVersion,
      "5",
      "a restored etcd is the present",
    );
  });

  it("F22: a missing kind is said once, makes it unready, and is waited for", async () => {
    const one = await started();
    http.answer = () => apiError(404, "NotFound");
    http.watch = () => apiError(404, "NotFound");
    stream().end(new TransportError("gone"));
    await settle();
    await clock.advance(300_000);
    assert.equal(one.hasSynced(), false);
    assert.equal(store.size, 1, "what is known is kept: a 404 is no delete");
    const warnings = log.lines.filter(({ message }) => message.includes("install its CRD"));
    assert.equal(warnings.length, 1);
    http.answer = () => listBody(99, []);
    http.watch = () => new FakeStream();
    await clock.advance(30_000);
    assert(one.hasSynced());
    assert.equal(store.size, 0);
  });

  it("an optional kind that is denied is as good as missing; any other goes on asking aloud", async () => {
    http.answer = () => apiError(403, "Forbidden");
    const optional = await started({ optional: true });
    await clock.advance(120_000);
    assert.equal(optional.status().missing, true);
    const said = log.lines.filter(({ message }) => message.includes("going on without it"));
    assert.equal(said.length, 1);
    const needed = await started();
    await clock.advance(120_000);
    assert.equal(needed.status().missing, false);
    assert.ok(log.lines.some(({ message }) => message.includes("trying again")));
  });

  it("I11: a handler that throws is logged and harms nobody", async () => {
    const seen: string[] = [];
    await started({
      onChange: ({ object }) => {
        seen.push(object.metadata.name);
        throw new Error("handler");
      },
    });
    await frame("ADDED", widget("b", 11));
    assert.deepEqual(seen, ["a", "b"]);
    assert.equal(log.lines.filter(({ level }) => level === "error").length, 2);
  });

  describe("I5, I6: stop() stops", () => {
    const quiet = async (one: Reflector): Promise<void> => {
      await one.stop();
      const requests = http.requests.length;
      await clock.advance(600_000);
      assert.equal(http.requests.length, requests);
      assert.deepEqual(told, []);
    };

    it("while listing", async () => {
      const pending = Promise.withResolvers<unknown>();
      http.answer = () => pending.promise;
      const one = await started();
      const stopped = quiet(one);
      pending.resolve(listBody(10, [widget("a", 5)]));
      await stopped;
    });

    it("while backing off", async () => {
      http.answer = () => apiError(500, "InternalError");
      await quiet(await started());
    });

    it("while watching, with a frame on its way", async () => {
      http.answer = () => listBody(10, []);
      const one = await started();
      stream().frame("ADDED", widget("a", 11));
      const stopped = one.stop();
      await stopped;
      await quiet(one);
      assert(stream().closed);
    });

    it("before it started", async () => {
      const one = reflector();
      await one.stop();
      one.start();
      await settle();
      assert.equal(http.requests.length, 0);
    });
  });

  it("asks for nothing but its path", async () => {
    await started();
    assert(http.requests.every(({ path, method }) => path === PATH && method === "GET"));
  });
});
