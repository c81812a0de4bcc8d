import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { after, before, describe, it } from "mocha";
import { identityModel } from "../../hack/models/fixtures.ts";
import { inferRequestBytes, withContents } from "../grpc/testing/wire.ts";
import { packStrings } from "../protocol/tensor.ts";
import type { Signature, Tensor } from "../protocol/tensor.ts";
import { TestPredictor } from "../testing/test-predictor.ts";
import { inlineBodies, ThreadedBodies } from "./bodies.ts";
import type { Given, Kind } from "./work.ts";

const graph: Signature = {
  inputs: [{ name: "x", datatype: "INT64", shape: [-1], dimensionNames: [""] }],
  outputs: [{ name: "y", datatype: "INT64", shape: [-1], dimensionNames: [""] }],
};
const task: Signature = {
  inputs: [
    { name: "text", datatype: "BYTES", shape: [-1], dimensionNames: [""], elements: "text" },
  ],
  outputs: graph.outputs,
};
const count = 60_000;
const numbers = `[${"9007199254740993,".repeat(count - 1)}1]`;
const filler = "x".repeat(600_000);
const body = (text: string): Buffer<ArrayBuffer> => Buffer.from(text);
const inputs = `[{"name":"x","datatype":"INT64","shape":[${count}],"data":${numbers}}]`;
const y: Tensor = {
  name: "y",
  datatype: "INT64",
  shape: [count, 2],
  data: new Uint8Array(BigInt64Array.from({ length: 2 * count }, () => 7n).buffer),
};
const headers = { "content-type": "application/cloudevents+json" };
const event = '{"specversion":"1.0","id":"e","source":"s","type":"t","data":';

/** A message whose numbers are varints of nine bytes. */
const message = inferRequestBytes({
  id: "a",
  inputs: [
    {
      name: "x",
      datatype: "INT64",
      shape: [count],
      contents: { int64_contents: Array<string>(count).fill(`${2n ** 62n}`) },
    },
  ],
  parameters: { priority: { int64_param: 3 } },
});
const textMessage = inferRequestBytes({
  inputs: [{ name: "text", datatype: "BYTES", shape: [1] }],
  raw_input_contents: [packStrings([filler])],
});

function binary(text: string): Given["infer"] {
  const data = packStrings([text]);
  const parameters = { binary_data_size: data.byteLength };
  const input = { name: "text", datatype: "BYTES", shape: [1], parameters };
  const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { top_k: 2 } }));
  const whole = Buffer.concat([head, data]);
  return { body: whole, headerLength: head.byteLength, signatures: { graph, task } };
}

const rows: { [K in Kind]: { why: string; given: Given[K] }[] } = {
  infer: [
    {
      why: "numbers beyond 2^53",
      given: {
        body: body(`{"id":"a","inputs":${inputs},"parameters":{"priority":3}}`),
        headerLength: undefined,
        signatures: { graph },
      },
    },
    { why: "bytes behind the JSON, for a task", given: binary(filler) },
  ],
  message: [
    { why: "numbers", given: { body: message, signatures: { graph } } },
    { why: "a long text", given: { body: textMessage, signatures: { graph, task } } },
  ],
  "message-json": [{ why: "numbers", given: { body: message } }],
  predict: [{ why: "rows", given: { body: body(`{"instances":${numbers}}`), signature: graph } }],
  task: [
    {
      why: "a long text",
      given: {
        body: body(`{"inputs":"${filler}","parameters":{"top_k":2}}`),
        task: "text-classification",
        rawNames: new Set(["x"]),
      },
    },
    {
      why: "what means the graph",
      given: {
        body: body(`{"instances":[{"x":${numbers}}]}`),
        task: "text-classification",
        rawNames: new Set(["x"]),
      },
    },
  ],
  generate: [{ why: "a long text", given: { body: body(`{"text_input":"${filler}"}`) } }],
  event: [
    { why: "data as JSON", given: { headers, body: body(`${event}{"inputs":${inputs}}}`) } },
    {
      why: "data as base64",
      given: { headers, body: body(`${event}0,"data_base64":"${btoa(filler)}"}`) },
    },
  ],
  protocol: [{ why: "v2", given: { body: body(`{"inputs":${inputs}}`) } }],
  "infer-answer": [
    { why: "numbers", given: { answer: { modelName: "é", outputs: [y] }, binary: undefined } },
  ],
  "json-message": [{ why: "numbers", given: { body: body(`{"outputs":${inputs}}`) } }],
  "predict-answer": [{ why: "rows", given: { outputs: [y], rows: count } }],
};

/** Text and bytes alike, wherever they lie. */
const plain = (made: unknown): unknown => {
  if (made instanceof Uint8Array) return Buffer.from(made).toString();
  const { inputs: tensors } = (made ?? {}) as { inputs?: readonly Tensor[] };
  if (tensors === undefined) return made;
  return { ...(made as object), inputs: tensors.map((x) => ({ ...x, data: Array.from(x.data) })) };
};

describe("large bodies", () => {
  const bodies = new ThreadedBodies(5_000_000);
  after(async () => bodies.close());

  for (const [kind, cases] of Object.entries(rows) as [Kind, { why: string; given: never }[]][]) {
    for (const { why, given } of cases) {
      it(`are done in a thread like small ones here: ${kind}, ${why}`, async () => {
        const made = bodies.do(kind, given);
        assert(made instanceof Promise, "it was done here");
        assert.deepEqual(plain(await made), plain(inlineBodies.do(kind, given)));
      });
    }
  }

  it("whose numbers are bytes already are taken as they are", () => {
    const [raw, floats] = [y.data.subarray(0, 8 * count), new Float32Array(2 * count).fill(0.5)];
    const x = { name: "x", datatype: "INT64", shape: [count] };
    const given = { inputs: [x], raw_input_contents: [raw] };
    const made = bodies.do("message", { body: inferRequestBytes(given), signatures: { graph } });
    assert(!(made instanceof Promise), "it was done in a thread");
    assert.deepEqual(Buffer.from(made.inputs[0]?.data ?? []), Buffer.from(raw));
    const [spec] = graph.inputs as [Signature["inputs"][0]];
    const signatures = { graph: { inputs: [{ ...spec, datatype: "FP32" as const }], outputs: [] } };
    const contents = { fp32_contents: Array.from(floats) };
    const typed = { inputs: [{ ...x, datatype: "FP32", shape: [2 * count], contents }] };
    const done = bodies.do("message", { body: inferRequestBytes(typed), signatures });
    assert(!(done instanceof Promise), "it was done in a thread");
  });

  it("that are small are done at once", () => {
    const made = bodies.do("protocol", { body: body('{"inputs":[]}') });
    assert.equal(made, "v2");
  });

  it("are refused in the same words", async () => {
    const given = { ...rows.infer[0]?.given, signatures: { graph: task } } as Given["infer"];
    await assert.rejects(async () => bodies.do("infer", given), {
      name: "ServingError",
      code: "invalid",
      message: 'the model has no input "x"; it has ["text"]',
    });
  });

  it("bring no parameters along that nobody asks for", async () => {
    const many = Array.from({ length: 50_000 }, (_, at) => `"p${at}":[[${at}]]`).join();
    const given = (signatures: Given["infer"]["signatures"], input: string): Given["infer"] => ({
      body: body(`{"parameters":{"timeout":5,${many}},"inputs":[${input}]}`),
      headerLength: undefined,
      signatures,
    });
    const one = '{"name":"x","datatype":"INT64","shape":[1],"data":[1]}';
    const { parameters } = await bodies.do("infer", given({ graph }, one));
    assert.deepEqual(parameters, { timeout: 5 });
    const text = '{"name":"text","datatype":"BYTES","shape":[1],"data":["a"]}';
    const asked = async () => bodies.do("infer", given({ graph, task }, text));
    await assert.rejects(asked, { message: "there are more than 1000 parameters" });
  });

  it("leave the body to whoever looks on", async () => {
    const given = { body: body(`{"inputs":${inputs}}`) };
    await bodies.do("protocol", given);
    assert.equal(given.body.toString("utf8", 0, 10), '{"inputs":');
  });

  it("that nobody waits for any more are not done", async () => {
    const first = bodies.do("protocol", { body: body(`{"inputs":${inputs}}`) });
    const given = rows.predict[0]?.given as Given["predict"];
    await assert.rejects(async () => bodies.do("predict", given, () => true), { code: "gone" });
    assert.equal(await first, "v2");
  });

  it("wait for each other, and not too many of them", async () => {
    const given = { body: body(`{"inputs":${inputs}}`) };
    const asked = Array.from({ length: 6 }, async () => bodies.do("protocol", given));
    const settled = await Promise.allSettled(asked);
    const codes = settled.map((each) =>
      each.status === "fulfilled" ? each.value : (each.reason as { code: string }).code,
    );
    assert.deepEqual(codes, ["v2", "v2", "v2", "v2", "v2", "overloaded"]);
  });
});

describe("a body whose values take more memory than there is", () => {
  it("is too large, and the next one is served", async () => {
    const small = new ThreadedBodies(100_000_000, { maxOldGenerationSizeMb: 32 });
    const arrays = body(`{"instances":[${"[],".repeat(2_000_000)}[]]}`);
    const refused = async () => small.do("predict", { body: arrays, signature: graph });
    await assert.rejects(refused, { code: "too-large", message: /more memory than there is/ });
    const next = await small.do("protocol", { body: body(`{"inputs":"${filler}"}`) });
    assert.equal(next, "v1");
    await small.close();
  });
});

describe("a predictor with a large body on its hands", () => {
  let folder: string;
  let predictor: TestPredictor;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-bodies-"));
    const path = join(folder, "m.onnx");
    await writeFile(path, identityModel("INT64", [-1]));
    predictor = await TestPredictor.serving({
      STORAGE_URI: path,
      MODEL_NAME: "m",
      PROTOCOL: "grpc-v2",
    });
  });
  after(async () => {
    await predictor[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** The longest that a health answer took, of the time that a request did. */
  async function longestPart(asked: Promise<unknown>): Promise<number> {
    const started = performance.now();
    const over = asked.then(() => true);
    const no = Promise.resolve(false);
    let longestMs = 0;
    while (!(await Promise.race([over, no]))) {
      const at = performance.now();
      assert.equal((await predictor.get("/v2/health/live")).status, 200);
      longestMs = Math.max(longestMs, performance.now() - at);
    }
    return longestMs / (performance.now() - started);
  }

  it("answers health meanwhile", async () => {
    const many = 1_500_000;
    const data = `[${"9007199254740993,".repeat(many - 1)}1]`;
    const text = `{"inputs":[{"name":"x","datatype":"INT64","shape":[${many}],"data":${data}}]}`;
    const asked = predictor.post("/v2/models/m/infer", text);
    const part = await longestPart(asked);
    const { status, text: answer } = await asked;
    assert.equal(status, 200);
    assert(answer.length > 17 * (many - 1));
    // Its numbers are read twice and written once, which takes most of the time.
    assert(part < 0.2, `a health answer took ${part} of the request's time`);
  });

  it("answers health while a message of gRPC is read", async () => {
    const many = 3_000_000;
    // Each element with a field of its own, as packing is only an encoder's choice.
    const elements = Buffer.alloc(11 * many, Uint8Array.of(24, ...Array(9).fill(255), 1));
    const bytes = withContents("INT64", many, elements);
    const client = new Client(`127.0.0.1:${predictor.port}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
    });
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const same = (message: Buffer): Buffer => message;
    const answered = (error: ServiceError | null, answer?: Buffer): void =>
      error === null && answer !== undefined ? resolve(answer) : reject(error);
    const path = "/inference.GRPCInferenceService/ModelInfer";
    client.makeUnaryRequest(path, same, same, Buffer.from(bytes), answered);
    const part = await longestPart(promise);
    const minusOnes = Buffer.alloc(8 * many, 255);
    assert((await promise).subarray(-minusOnes.byteLength).equals(minusOnes));
    client.close();
    assert(part < 0.2, `a health answer took ${part} of the request's time`);
  });
});
