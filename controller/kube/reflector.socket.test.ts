/** The reflector over real sockets, against a server that does what a good one does not. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, it } from "mocha";
import { systemClock, type Clock } from "./clock.ts";
import { noMetrics } from "./hooks.ts";
import { createHttp, type KubeHttp } from "./http.ts";
import { createReflector, type Reflector } from "./reflector.ts";
import { Store } from "./store.ts";
import { eventually } from "./testing/eventually.ts";
import { memoryLog } from "./testing/memory-log.ts";
import { listBody, WIDGET, widget } from "./testing/objects.ts";
import {
  sendJson,
  startScripted,
  type ScriptedServer,
  type SeenRequest,
} from "./testing/scripted-server.ts";

/** Everything a hundred times faster: 90 s of silence become 0.9 s. */
const fast: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs() * 100,
  schedule: (run, delayMs) => systemClock.schedule(run, delayMs / 100),
};

describe("Reflector over sockets", () => {
  let server: ScriptedServer;
  let http: KubeHttp;
  let reflector: Reflector;
  let store: Store;
  let onList: (response: ServerResponse, count: number) => void;
  let onWatch: (response: ServerResponse, count: number, seen: SeenRequest) => void;

  beforeEach(async () => {
    let lists = 0;
    let watches = 0;
    server = await startScripted((seen, response) => {
      if (seen.url.searchParams.has("watch")) {
        response.writeHead(200, { "content-type": "application/json" });
        onWatch(response, watches, seen);
        watches += 1;
      } else {
        onList(response, lists);
        lists += 1;
      }
    });
    const url = new URL(server.url);
    http = createHttp({
      credentials: async () => ({ server: url, headers: {}, tls: {} }),
      userAgent: "test",
    });
    store = new Store();
    reflector = createReflector({
      http,
      kind: WIDGET,
      store,
      onChange: () => {},
      clock: fast,
      random: Math.random,
      log: memoryLog(),
      metrics: noMetrics,
    });
    onList = (response) => sendJson(response, 200, listBody(10, [widget("a", 5)]));
    onWatch = (response) => response.flushHeaders();
  });

  afterEach(async () => {
    await reflector.stop();
    await http.close();
    await server[Symbol.asyncDispose]();
  });

  function version(name: string): string | undefined {
    return store.get("default", name)?.metadata.resourceVersion;
  }

  function send(response: ServerResponse, type: string, object: object): void {
    response.write(`${JSON.stringify({ type, object })}\n`);
  }

  it("F04: gets over 500, 503 with Retry-After, garbage, and a connection reset", async () => {
    onList = (response, count) => {
      if (count === 0) sendJson(response, 500, { kind: "Status", message: "etcd" });
      else if (count === 1) {
        response.writeHead(503, { "retry-after": "1" }).end("<html>busy</html>");
      } else if (count === 2) response.writeHead(200).end('{"items": [');
      else if (count === 3) response.destroy();
      else sendJson(response, 200, listBody(10, [widget("a", 5)]));
    };
    reflector.start();
    await eventually("synced", () => reflector.hasSynced());
    assert.equal(version("a"), "5");
  });

  it("F03: gets over 410 within the stream", async () => {
    onList = (response, count) =>
      sendJson(response, 200, listBody(10 + count, count === 0 ? [widget("a", 5)] : []));
    onWatch = (response, count) => {
      if (count === 0) send(response, "ERROR", { kind: "Status", code: 410, reason: "Expired" });
    };
    reflector.start();
    await eventually("the delete is found", () => reflector.hasSynced() && store.size === 0);
  });

  it("I12: gets over a line that the end of the stream cut off", async () => {
    onList = (response, count) =>
      sendJson(response, 200, listBody(10 + count, count === 0 ? [] : [widget("a", 11)]));
    onWatch = (response, count) => {
      if (count === 0) response.end('{"type":"ADDED","object":{"metad');
      else response.flushHeaders();
    };
    reflector.start();
    await eventually("the lost object", () => version("a") === "11");
  });

  it("F11: gets over a peer that went silent, on a new connection", async () => {
    onWatch = (response, count) => {
      if (count === 0) response.flushHeaders();
      else send(response, "MODIFIED", widget("a", 12));
    };
    reflector.start();
    await eventually("the frame of the second watch", () => version("a") === "12");
    assert(server.connections() >= 2);
  });

  it("resumes a reset watch from the last version seen", async () => {
    let resumedFrom: string | null = null;
    onWatch = (response, count, seen) => {
      if (count === 0) {
        send(response, "MODIFIED", widget("a", 12));
        setImmediate(() => response.destroy());
      } else {
        resumedFrom = seen.url.searchParams.get("resourceVersion");
        send(response, "MODIFIED", widget("a", 13));
      }
    };
    reflector.start();
    await eventually("the frame after the reset", () => version("a") === "13");
    assert.equal(resumedFrom, "12");
  });

  it("stop() closes the watch's connection", async () => {
    let closed = false;
    onWatch = (response) => {
      response.flushHeaders();
      response.on("close", () => {
        closed = true;
      });
    };
    reflector.start();
    await eventually("watching", () => server.seen.length === 2);
    await reflector.stop();
    await eventually("the server saw the end", () => closed);
  });
});
