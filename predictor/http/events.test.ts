import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";

const v2 = {
  id: "r-1",
  inputs: [{ name: "input", datatype: "FP32", shape: [1, 4], data: [5.1, 3.5, 1.4, 0.2] }],
};
const v1 = { instances: [[5.1, 3.5, 1.4, 0.2]] };
const attributes = { specversion: "1.0", id: "e-1", source: "/flowers", type: "flower.measured" };
const headers = Object.fromEntries(
  Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]),
);
const structured = { "content-type": "application/cloudevents+json; charset=utf-8" };

let iris: TestPredictor;
before(async () => {
  iris = await TestPredictor.serving({ STORAGE_URI: irisPath });
});
after(async () => iris[Symbol.asyncDispose]());

type Event = Record<string, unknown>;

function assertAnswers(event: Event, source = "io.kserve.inference.iris"): void {
  assert.equal(event["specversion"], "1.0");
  assert.equal(event["source"], source);
  assert.equal(event["type"], "io.kserve.inference.response");
  assert.equal(event["requestid"], "e-1");
  assert.match(String(event["id"]), /^[\da-f-]{36}$/);
  assert.notEqual(event["id"], "e-1");
  assert(!Number.isNaN(Date.parse(String(event["time"]))));
}

const ceHeaders = (all: Headers): Event =>
  Object.fromEntries(
    [...all].flatMap(([name, value]) =>
      name.startsWith("ce-") ? [[name.slice(3), decodeURIComponent(value)]] : [],
    ),
  );

describe("CloudEvents", () => {
  for (const [path, data] of [
    ["/", v2],
    ["/", v1],
    ["/v2/models/iris/infer", v2],
    ["/v1/models/iris:predict", v1],
  ] as const) {
    const protocol = data === v1 ? "v1" : "v2";
    it(`with headers to ${path}, ${protocol}, are answered with headers`, async () => {
      const { status, headers: answered, json } = await iris.post(path, data, { headers });
      assert.equal(status, 200);
      assert.equal(answered.get("content-type"), "application/json");
      assertAnswers(ceHeaders(answered));
      const body = json as { outputs?: unknown[]; predictions?: { label: number }[]; id?: string };
      if (data === v1) assert.equal(body.predictions?.[0]?.label, 0);
      else assert.deepEqual([body.id, body.outputs?.length], ["r-1", 2]);
    });
    it(`as one object to ${path}, ${protocol}, are answered with one`, async () => {
      const base64 = Buffer.from(JSON.stringify(data)).toString("base64");
      for (const event of [
        { ...attributes, data },
        { ...attributes, data_base64: base64 },
      ]) {
        const answer = await iris.post(path, event, { headers: structured });
        assert.equal(answer.status, 200, answer.text);
        assert.match(answer.headers.get("content-type") ?? "", /^application\/cloudevents\+json/);
        const given = JSON.parse(answer.text) as Event;
        assertAnswers(given);
        assert.equal(given["datacontenttype"], "application/json");
        const keys = Object.keys(given["data"] as object);
        assert(keys.includes(data === v1 ? "predictions" : "outputs"));
      }
    });
  }
  it("carry tensors as bytes in the headers' mode", async () => {
    const flower = new Uint8Array(Float32Array.of(5.1, 3.5, 1.4, 0.2).buffer);
    const raw = { ...headers, "inference-header-content-length": "0" };
    const { status, headers: answered } = await iris.post("/", flower, { headers: raw });
    assert.equal(status, 200);
    assertAnswers(ceHeaders(answered));
    assert.equal(answered.get("content-type"), "application/octet-stream");
  });
  it("as one object are refused with data nested beyond all measure", async () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const head = JSON.stringify(attributes).slice(0, -1);
    const refused = await iris.post("/", `${head},"data":{"instances":${deep}}}`, {
      headers: structured,
    });
    assert.equal(refused.status, 400, refused.text);
  });
  const rows: { why: string; body: unknown; headers: Record<string, string>; says: RegExp }[] = [
    { why: "no event at all", body: v2, headers: {}, says: /POST \/ takes CloudEvents/ },
    {
      why: "no id",
      body: v2,
      headers: { ...headers, "ce-id": "" },
      says: /the headers have no ce-id/,
    },
    {
      why: "an older version",
      body: v2,
      headers: { ...headers, "ce-specversion": "0.3" },
      says: /specversion is "0.3"/,
    },
    { why: "no type", body: { ...attributes, type: 1 }, headers: structured, says: /no type/ },
    { why: "a list of events", body: [], headers: structured, says: /not a JSON object/ },
    {
      why: "a batch",
      body: [],
      headers: { "content-type": "application/cloudevents-batch+json" },
      says: /batch\+json is not served/,
    },
    { why: "no data", body: attributes, headers: structured, says: /the body is empty/ },
    {
      why: "no base64",
      body: { ...attributes, data_base64: "%" },
      headers: structured,
      says: /data_base64/,
    },
    {
      why: "bytes wanted in JSON",
      body: { ...attributes, data: { ...v2, parameters: { binary_data_output: true } } },
      headers: structured,
      says: /can't carry tensors as bytes/,
    },
    {
      why: "data that the model refuses",
      body: { inputs: [] },
      headers,
      says: /is missing|not JSON|shape/,
    },
  ];
  for (const { why, body, headers: sent, says } of rows) {
    it(`with ${why} are 400`, async () => {
      const answer = await iris.post("/", JSON.stringify(body), { headers: sent });
      assert.equal(answer.status, 400, answer.text);
      assert.match((JSON.parse(answer.text) as { error: string }).error, says);
    });
  }
  it("can't mean one of several models at the root", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pilotlight-events-"));
    for (const name of ["iris", "rose"]) {
      await mkdir(join(folder, name));
      await cp(irisPath, join(folder, name, "model.onnx"));
    }
    await using both = await TestPredictor.serving({
      STORAGE_URI: folder,
      MODEL_REPOSITORY: "true",
    });
    const { status, text } = await both.post("/", v2, { headers });
    assert.equal(status, 400);
    assert.match(text, /has 2 models: send the event to/);
    const named = await both.post("/v2/models/rose/infer", v2, { headers });
    assertAnswers(ceHeaders(named.headers), "io.kserve.inference.rose");
    await rm(folder, { recursive: true });
  });
  it("say who they are from, when told", async () => {
    await using told = await TestPredictor.serving({ STORAGE_URI: irisPath, CE_SOURCE: "/iris é" });
    const { headers: answered } = await told.post("/", v2, { headers });
    assertAnswers(ceHeaders(answered), "/iris é");
  });
});
