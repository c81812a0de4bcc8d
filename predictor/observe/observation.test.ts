/** A whole predictor with everything that may look on, and the receivers of what it says. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { Receiver, valuesOf } from "./testing/receiver.ts";
import type { OtlpSpan } from "./testing/receiver.ts";

const flower = {
  inputs: [{ name: "input", datatype: "FP32", shape: [1, 4], data: [5.1, 3.5, 1.4, 0.2] }],
};
const trace = (digit: string): string => digit.repeat(32);
const traceparent = (digit: string) => `00-${trace(digit)}-${digit.repeat(16)}-01`;

describe("a predictor that is looked at", () => {
  let receiver: Receiver;
  let predictor: TestPredictor;
  let spans: OtlpSpan[] = [];
  let resource: Record<string, unknown> = {};

  before(async () => {
    receiver = await Receiver.open();
    predictor = await TestPredictor.serving({
      STORAGE_URI: irisPath,
      MODEL_NAME: "iris",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_RESOURCE_ATTRIBUTES: "team=flowers",
      LOGGER_URL: `${receiver.url}/events`,
      LOGGER_SOURCE: "http://iris.default",
      LOG_REQUESTS: "true",
    });
    const ask = async (digit: string, body: object, id: string) =>
      predictor.post("/v2/models/iris/infer", body, {
        headers: { traceparent: traceparent(digit), "x-request-id": id },
      });
    await Promise.all(["1", "2", "3", "4"].map(async (digit) => ask(digit, flower, `id-${digit}`)));
    assert.equal((await ask("5", { inputs: [] }, "id-5")).status, 400);
    predictor.signal("SIGTERM");
    assert.equal(await predictor.exited, 0);
    ({ spans, resource } = receiver.traces());
  });
  after(async () => {
    await predictor[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  const named = (name: string, digit?: string): OtlpSpan[] =>
    spans.filter(
      (span) => span.name === name && (digit === undefined || span.traceId === trace(digit)),
    );

  it("continues the client's trace, with the wait and the run below", () => {
    for (const digit of ["1", "2", "3", "4"]) {
      const [server] = named("POST /v2/models/iris/infer", digit);
      assert(server, `no span in trace ${digit}`);
      assert.equal(server.parentSpanId, digit.repeat(16));
      const [queue] = named("queue", digit);
      const [run] = named("run", digit);
      assert(queue && run);
      assert.deepEqual([queue.parentSpanId, run.parentSpanId], [server.spanId, server.spanId]);
      assert(BigInt(queue.startTimeUnixNano) <= BigInt(queue.endTimeUnixNano));
      assert.equal(queue.endTimeUnixNano, run.startTimeUnixNano);
    }
  });

  it("links the requests of a batch through a span of the batch", () => {
    const batches = named("batch");
    assert(batches.length > 0);
    const linked = batches.flatMap(({ links = [] }) => links.map(({ traceId }) => traceId));
    assert.deepEqual(linked.toSorted(), ["1", "2", "3", "4"].map(trace));
    for (const run of named("run")) {
      const [link] = run.links ?? [];
      const batch = batches.find(({ spanId }) => spanId === link?.spanId);
      assert(batch?.links?.some(({ traceId }) => traceId === run.traceId));
    }
  });

  it("traces what failed before it ran, with its status", () => {
    const [server] = named("POST /v2/models/iris/infer", "5");
    assert.equal(valuesOf(server?.attributes ?? [])["http.response.status_code"], 400);
    assert.deepEqual([...named("queue", "5"), ...named("run", "5")], []);
  });

  it("says whose spans these are", () => {
    assert.equal(resource["service.name"], "pilotlight-predictor");
    assert.equal(resource["team"], "flowers");
  });

  it("logs requests and answers as events with the request's id", async () => {
    const ids = (kind: string) =>
      receiver
        .events(kind)
        .map(({ headers }) => String(headers["ce-id"]))
        .toSorted();
    assert.deepEqual(ids("request"), ["id-1", "id-2", "id-3", "id-4", "id-5"]);
    assert.deepEqual(ids("response"), ["id-1", "id-2", "id-3", "id-4"]);
    const [response] = receiver.events("response");
    const answer = JSON.parse(String(response?.body)) as { model_name: string };
    assert.equal(answer.model_name, "iris");
    assert.equal(response?.headers["ce-source"], "http://iris.default");
  });

  it("writes a line for each request", async () => {
    await predictor.logged("request", 5);
    const lines = predictor.log.filter(({ message }) => message === "request") as unknown as {
      requestId: string;
      status: number;
    }[];
    const seen = lines.map(({ requestId, status }) => `${requestId} ${status}`).toSorted();
    assert.deepEqual(seen, ["id-1 200", "id-2 200", "id-3 200", "id-4 200", "id-5 400"]);
  });
});
