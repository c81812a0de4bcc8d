/** Inferences over gRPC before all who may look on: they see what they see of HTTP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "mocha";
import { Receiver, valuesOf } from "../observe/testing/receiver.ts";
import type { OtlpSpan } from "../observe/testing/receiver.ts";
import { methods } from "../protocol/grpc-messages.ts";
import { listOf, textOf } from "../protocol/grpc-infer.ts";
import { decodeMessage } from "../protocol/protobuf.ts";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { GrpcTestClient, grpcPort } from "./testing/client.ts";

const input = { name: "input", datatype: "FP32", shape: [1, 4] };
const flower = {
  model_name: "iris",
  inputs: [{ ...input, contents: { fp32_contents: [5, 3, 1, 0] } }],
};
const nothing = { model_name: "iris" };
const trace = (digit: string): string => digit.repeat(32);
const traceparent = (digit: string) => `00-${trace(digit)}-${digit.repeat(16)}-01`;
const headers = (digit: string) => ({
  traceparent: traceparent(digit),
  "x-request-id": `id-${digit}`,
  "x-user": "ann",
});
const infer = "inference.GRPCInferenceService/ModelInfer";
const stream = "inference.GRPCInferenceService/ModelStreamInfer";

describe("gRPC that is looked at", () => {
  let receiver: Receiver;
  let predictor: TestPredictor;
  let spans: OtlpSpan[] = [];
  before(async () => {
    receiver = await Receiver.open();
    predictor = await TestPredictor.serving({
      STORAGE_URI: irisPath,
      MODEL_NAME: "iris",
      GRPC_PORT: "0",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      LOGGER_URL: `${receiver.url}/events`,
      LOGGER_METADATA_HEADERS: "x-user",
      LOG_REQUESTS: "true",
    });
    using client = new GrpcTestClient(await grpcPort(predictor));
    assert.equal((await client.call("ModelInfer", flower, { headers: headers("1") })).code, 0);
    assert.equal((await client.call("ModelInfer", nothing, { headers: headers("2") })).code, 3);
    assert.equal((await client.call("ModelInfer", flower)).code, 0);
    const both = client.stream("ModelStreamInfer", headers("3"));
    for (const message of [flower, nothing]) both.write(message);
    both.end();
    both.resume();
    await once(both, "end");
    predictor.signal("SIGTERM");
    assert.equal(await predictor.exited, 0);
    ({ spans } = receiver.traces());
  });
  after(async () => {
    await predictor[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  const named = (name: string, digit: string): OtlpSpan[] =>
    spans.filter((span) => span.name === name && span.traceId === trace(digit));

  it("continues the client's trace, with the wait and the run below", () => {
    const [server] = named(infer, "1");
    assert(server, "no span");
    assert.equal(server.parentSpanId, "1".repeat(16));
    const attributes = valuesOf(server.attributes);
    assert.equal(attributes["rpc.system.name"], "grpc");
    assert.equal(attributes["rpc.method"], infer);
    assert.equal(attributes["rpc.response.status_code"], "OK");
    assert.equal(attributes["pilotlight.model.name"], "iris");
    for (const name of ["queue", "run"]) {
      assert.equal(named(name, "1")[0]?.parentSpanId, server.spanId, name);
    }
  });

  it("traces what failed before it ran, and each message of a stream", () => {
    const statuses = (name: string, digit: string) =>
      named(name, digit).map((span) =>
        String(valuesOf(span.attributes)["rpc.response.status_code"]),
      );
    assert.deepEqual(statuses(infer, "2"), ["INVALID_ARGUMENT"]);
    assert.deepEqual(named("run", "2"), []);
    assert.deepEqual(statuses(stream, "3").toSorted(), ["INVALID_ARGUMENT", "OK"]);
  });

  it("logs messages and answers as events, as they are on the wire", () => {
    const ids = (kind: string) =>
      receiver
        .events(kind)
        .map((event) => String(event.headers["ce-id"]))
        .filter((id) => id.startsWith("id-"))
        .toSorted();
    assert.deepEqual(ids("request"), ["id-1", "id-2", "id-3-1", "id-3-2"]);
    assert.deepEqual(ids("response"), ["id-1", "id-3-1"]);
    const [request, response] = ["request", "response"].map((kind) => {
      const event = receiver.events(kind).find(({ headers: { "ce-id": id } }) => id === "id-1");
      assert.equal(event?.headers["content-type"], "application/protobuf");
      assert.equal(event.headers["ce-endpoint"], "iris");
      assert.match(decodeURIComponent(String(event.headers["ce-metadata"])), /"x-user":\["ann"\]/);
      return new Uint8Array(event.body);
    });
    assert(request && response);
    const asked = decodeMessage(methods.ModelInfer.request, request);
    assert.equal(textOf(asked, "model_name"), "iris");
    const answered = decodeMessage(methods.ModelInfer.response, response);
    const outputs = listOf(answered, "outputs").map((output) => textOf(output, "name"));
    assert.deepEqual(outputs, ["label", "probabilities"]);
    assert.equal((answered["raw_output_contents"] as unknown[]).length, 2);
  });

  it("gives a request without an id one that events and log share", async () => {
    const made = receiver
      .events("request")
      .map((event) => String(event.headers["ce-id"]))
      .find((id) => !id.startsWith("id-"));
    assert.match(made ?? "", /^[0-9a-f-]{36}$/);
    assert(receiver.events("response").some((event) => event.headers["ce-id"] === made));
    await predictor.line("request", { requestId: made });
  });

  type Line = { requestId: string; status: number; grpcStatus: string; path: string };
  const lines = (): Line[] =>
    predictor.log.filter(({ message }) => message === "request") as unknown as Line[];

  it("writes a line for each request", async () => {
    for (const requestId of ["id-1", "id-2", "id-3-1", "id-3-2"]) {
      await predictor.line("request", { requestId });
    }
    const seen = lines()
      .filter(({ requestId }) => requestId.startsWith("id-"))
      .map(({ requestId, status, grpcStatus, path }) =>
        [requestId, status, grpcStatus, path.slice(1)].join(" "),
      );
    assert.deepEqual(seen.toSorted(), [
      `id-1 200 OK ${infer}`,
      `id-2 400 INVALID_ARGUMENT ${infer}`,
      `id-3-1 200 OK ${stream}`,
      `id-3-2 400 INVALID_ARGUMENT ${stream}`,
    ]);
  });
});
