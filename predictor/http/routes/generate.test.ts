import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "mocha";
import { systemClock } from "../../batch/port.ts";
import { invalid } from "../../errors.ts";
import { createMetrics } from "../../ops/metrics.ts";
import type { TextGenerator } from "../../protocol/generate.ts";
import { OneModel } from "../../models/one-model.ts";
import { ServedModel, ServedVersion } from "../../served-model.ts";
import { createApp } from "../app.ts";
import { Service } from "../service.ts";

const limits = {
  batchSizeMax: 1,
  batchLatencyMs: 0,
  concurrencyMax: 1,
  queueDepthMax: 1,
  queueBytesMax: 1,
  timeoutMs: 1000,
};
/** Of no use to these routes: text is the generator's. */
const executor = {
  ports: [],
  loaded: true,
  ready: () => false,
  close: async () => {},
};
let stopped = Promise.withResolvers<void>();

/** Says each word of its text; "fail" fails there; "ever" goes on until it's told to stop. */
const words: TextGenerator = async function* words({ text, parameters }, signal) {
  if ("stream" in parameters) throw invalid("stream is no task's");
  if (parameters["temperature"] === 9) throw invalid("temperature is 9: at most 2");
  try {
    for (const word of text.split(" ")) {
      if (word === "fail") throw invalid("no text for this");
      yield word;
      if (word !== "ever") continue;
      while (!signal.aborted) {
        await new Promise((resolve) => setImmediate(resolve));
        yield word;
      }
    }
  } finally {
    if (signal.aborted) stopped.resolve();
  }
};

let server: Server;
let url: string;
before(async () => {
  const service = new Service();
  const metrics = createMetrics();
  const loaded = {
    signature: { inputs: [], outputs: [] },
    batchable: false,
    provider: "cpu",
    loadMs: 0,
    notes: [],
  };
  const version = (id: string, generator?: TextGenerator): ServedVersion => {
    const parts = { version: id, loaded, metrics: metrics.forModel("gpt", id), executor };
    return new ServedVersion(generator === undefined ? parts : { ...parts, generator }, {
      limits,
      clock: systemClock,
    });
  };
  const open = async (id: string): Promise<ServedVersion> => version(id);
  const first = version("2", words);
  const model = new ServedModel({ name: "gpt", versions: ["1", "2"], first, open });
  service.serve(new OneModel(model));
  const options = { service, metrics, version: "0", bodyBytesMax: 1000, onFault: () => {} };
  server = createServer(createApp(options)).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/models/gpt`;
});
after(() => server.close());

async function post(path: string, body: object): Promise<{ status: number; text: string }> {
  const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}

const head = { model_name: "gpt", model_version: "2" };

describe("generate", () => {
  it("answers with the whole text and the id", async () => {
    const { status, text } = await post("/generate", { id: "7", text_input: "to be" });
    assert.deepEqual([status, JSON.parse(text)], [200, { id: "7", ...head, text_output: "tobe" }]);
  });
  it("takes what clients of Triton's language models send", async () => {
    const given = { stream: false, parameters: null, id: null };
    const { status, text } = await post("/generate", { text_input: "to be", ...given });
    assert.deepEqual([status, JSON.parse(text)], [200, { ...head, text_output: "tobe" }]);
    const streamed = await post("/generate_stream", { text_input: "a", stream: true });
    assert.equal(streamed.status, 200, streamed.text);
  });
  it("says where a stream is to be had", async () => {
    const { status, text } = await post("/generate", { text_input: "a", stream: true });
    assert.equal(status, 400);
    assert.match(text, /stream is true: send the request to …\/generate_stream/);
  });
  const rows: { why: string; path?: string; body: object; says: RegExp }[] = [
    { why: "no text", body: {}, says: /text_input is not a string/ },
    { why: "a tensor", body: { text_input: ["a"] }, says: /text_input is not a string/ },
    { why: "a list of parameters", body: { text_input: "a", parameters: [] }, says: /parameters/ },
    { why: "an object as parameter", body: { text_input: "a", top: {} }, says: /parameter "top"/ },
    {
      why: "what the task refuses",
      body: { text_input: "a", parameters: { temperature: 9 } },
      says: /at most 2/,
    },
    {
      why: "a parameter beside the text",
      body: { text_input: "a", temperature: 9 },
      says: /at most 2/,
    },
    {
      why: "a model without such a task",
      path: "/versions/1",
      body: { text_input: "a" },
      says: /has no task that makes text/,
    },
  ];
  for (const { why, path = "", body, says } of rows) {
    it(`of ${why} is 400, streamed as well`, async () => {
      for (const end of ["/generate", "/generate_stream"]) {
        const { status, text } = await post(path + end, body);
        assert.equal(status, 400);
        assert.match((JSON.parse(text) as { error: string }).error, says);
      }
    });
  }
});

describe("generate_stream", () => {
  const events = (text: string): unknown[] =>
    text
      .split("\n\n")
      .filter((each) => each !== "")
      .map((each) => JSON.parse(each.replace(/^data: /, "")) as unknown);
  it("is an event per piece", async () => {
    const response = await fetch(`${url}/generate_stream`, {
      method: "POST",
      body: JSON.stringify({ text_input: "to be\nor" }),
    });
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.deepEqual(events(await response.text()), [
      { ...head, text_output: "to" },
      { ...head, text_output: "be\nor" },
    ]);
  });
  it("says in the stream what went wrong after the first piece", async () => {
    const { status, text } = await post("/generate_stream", { text_input: "to fail" });
    assert.equal(status, 200);
    const expected = [{ ...head, text_output: "to" }, { error: "no text for this" }];
    assert.deepEqual(events(text), expected);
  });
  it("stops the task when the client leaves", async () => {
    stopped = Promise.withResolvers<void>();
    const request = httpRequest(`${url}/generate_stream`, { method: "POST" });
    request.end(JSON.stringify({ text_input: "ever" }));
    const [response] = (await once(request, "response")) as [NodeJS.ReadableStream];
    await once(response, "data");
    request.on("error", () => {});
    request.destroy();
    await stopped.promise;
  });
});
