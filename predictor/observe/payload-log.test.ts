import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, it } from "mocha";
import { payloadLogSettings } from "./observation.ts";
import { payloadLog } from "./payload-log.ts";
import type { PayloadEvent, PayloadLogSettings } from "./payload-log.ts";
import { HttpPayloadSink } from "./payload-sink.ts";
import type { PayloadOutcome } from "./payload-sink.ts";
import { subjectOf } from "./watch.ts";

const settings: PayloadLogSettings = {
  mode: "all",
  sample: 1,
  metadataHeaders: ["X-User", "absent"],
  source: "http://iris.default",
  extensions: { inferenceservicename: "iris", namespace: "default" },
};
const machine = { random: () => 0.5, now: () => new Date("2026-01-02T03:04:05.678Z") };

/** What one request leaves in the log. */
function logged(
  given: Partial<PayloadLogSettings>,
  headers: IncomingHttpHeaders = {},
  status = 200,
): PayloadEvent[] {
  const events: PayloadEvent[] = [];
  const watcher = payloadLog(
    { ...settings, ...given },
    { offer: (event) => void events.push(event) },
    machine,
  );
  const watch = watcher(subjectOf({ method: "POST", url: "/x", headers }, "iris", "1"));
  watch?.received?.(Buffer.from("question"));
  watch?.answered({ status, body: ["answer"] });
  return events;
}

describe("the payload log", () => {
  it("makes a CloudEvent of the request and one of the answer, with one id", () => {
    const [request, response, ...more] = logged({}, { "x-user": "ann", "ce-id": "id-1" });
    assert(request && response);
    assert.deepEqual(more, []);
    assert.deepEqual(request.headers, {
      "ce-specversion": "1.0",
      "ce-id": "id-1",
      "ce-type": "org.kubeflow.serving.inference.request",
      "ce-source": "http://iris.default",
      "ce-time": "2026-01-02T03:04:05.678Z",
      "ce-endpoint": "iris",
      "ce-inferenceservicename": "iris",
      "ce-namespace": "default",
      "ce-metadata": encodeURIComponent('{"X-User":["ann"]}'),
      "content-type": "application/json",
    });
    assert.equal(response.headers["ce-type"], "org.kubeflow.serving.inference.response");
    assert.equal(response.headers["ce-id"], "id-1");
    assert.deepEqual(
      [request, response].map(({ body }) => Buffer.from(body).toString()),
      ["question", "answer"],
    );
  });

  it("gives a request without an id one that the answer shares", () => {
    const [request, response] = logged({});
    assert.match(request?.headers["ce-id"] ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(request?.headers["ce-id"], response?.headers["ce-id"]);
  });

  it("logs only what the mode says, and no answers that failed", () => {
    const kinds = (events: PayloadEvent[]) =>
      events.map((each) => each.headers["ce-type"]?.slice(31));
    assert.deepEqual(kinds(logged({ mode: "request" })), ["request"]);
    assert.deepEqual(kinds(logged({ mode: "response" })), ["response"]);
    assert.deepEqual(kinds(logged({}, {}, 500)), ["request"]);
  });

  it("samples requests whole", () => {
    assert.equal(logged({ sample: 0.4 }).length, 0);
    assert.equal(logged({ sample: 0.6 }).length, 2);
  });

  it("says that a binary request is one", () => {
    const [request] = logged({}, { "inference-header-content-length": "10" });
    assert.equal(request?.headers["content-type"], "application/octet-stream");
  });

  it("is configured by the environment", () => {
    assert.deepEqual(
      payloadLogSettings({
        LOGGER_MODE: "request",
        LOGGER_SAMPLE: "0.25",
        LOGGER_METADATA_HEADERS: "x-user, x-team",
        LOGGER_METADATA_ANNOTATIONS: '{"team":"ärzte"}',
        LOGGER_SOURCE: "http://iris.default",
        INFERENCE_SERVICE_NAME: "iris",
        POD_NAMESPACE: "default",
      }),
      {
        mode: "request",
        sample: 0.25,
        metadataHeaders: ["x-user", "x-team"],
        source: "http://iris.default",
        extensions: {
          inferenceservicename: "iris",
          namespace: "default",
          component: "predictor",
          annotations: encodeURIComponent('{"team":"ärzte"}'),
        },
      },
    );
  });
});

describe("the payload sink", () => {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
  });

  /** A sink that answers when it is let, and remembers what came. */
  async function listen(status = 204) {
    const bodies: string[] = [];
    const gate = Promise.withResolvers<void>();
    const arrived: (() => void)[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        bodies.push(Buffer.concat(chunks).toString());
        for (const each of arrived.splice(0)) each();
        void gate.promise.then(() => response.writeHead(status).end());
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    opened.push({
      [Symbol.asyncDispose]: async () => {
        gate.resolve();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
    const came = async (count: number): Promise<void> => {
      while (bodies.length < count) await new Promise<void>((resolve) => arrived.push(resolve));
    };
    return { url, bodies, came, open: gate.resolve };
  }

  function sinkTo(url: string, limits = {}) {
    const outcomes: PayloadOutcome[] = [];
    const failures: string[] = [];
    const sink = new HttpPayloadSink({
      url,
      counted: (outcome) => outcomes.push(outcome),
      onFailure: (reason) => failures.push(reason),
      limits,
    });
    const offer = (text: string) => sink.offer({ headers: {}, body: Buffer.from(text) });
    return { sink, outcomes, failures, offer };
  }

  it("sends what waits before it closes", async () => {
    const { url, bodies, open } = await listen();
    const { sink, outcomes, offer } = sinkTo(url);
    for (let index = 0; index < 10; index++) offer(`event ${index}`);
    open();
    await sink.close(60_000);
    assert.equal(bodies.length, 10);
    assert.deepEqual(
      outcomes,
      Array.from({ length: 10 }, () => "sent"),
    );
  });

  it("drops what does not fit while the sink is slow, and holds nobody up", async () => {
    const { url, came, open } = await listen();
    const { sink, outcomes, offer } = sinkTo(url, { eventsMax: 3 });
    for (let index = 0; index < 4; index++) offer("being sent");
    await came(4);
    for (let index = 0; index < 5; index++) offer("waiting");
    assert.deepEqual(outcomes, ["dropped", "dropped"]);
    open();
    await sink.close(60_000);
    assert.equal(outcomes.filter((outcome) => outcome === "sent").length, 7);
  });

  it("bounds the bytes that wait, and logs no body over its own bound", async () => {
    const { url, came, open } = await listen();
    const { sink, outcomes, offer } = sinkTo(url, { bytesMax: 10, bodyBytesMax: 8 });
    for (let index = 0; index < 4; index++) offer("x");
    await came(4);
    offer("12345678");
    offer("123");
    offer("123456789");
    assert.deepEqual(outcomes, ["dropped", "too-large"]);
    open();
    await sink.close(60_000);
  });

  it("counts what the sink refuses, and says so once", async () => {
    const { url, open } = await listen(500);
    const { sink, outcomes, failures, offer } = sinkTo(url);
    open();
    for (let index = 0; index < 6; index++) offer("event");
    await sink.close(60_000);
    assert.deepEqual(
      outcomes,
      Array.from({ length: 6 }, () => "failed"),
    );
    assert.deepEqual(failures, ["the sink answered 500"]);
  });

  it("gives up on a sink that never answers when it must close", async () => {
    const { url, came } = await listen();
    const { sink, outcomes, offer } = sinkTo(url);
    for (let index = 0; index < 6; index++) offer("event");
    await came(4);
    await sink.close(10);
    assert.equal(outcomes.toSorted().join(" "), "dropped dropped failed failed failed failed");
  });
});
