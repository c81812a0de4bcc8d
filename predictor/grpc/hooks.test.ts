/** A model's handler over gRPC: it does what it does over HTTP, or says that it can't. */
import assert from "node:assert/strict";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { after, before, describe, it } from "mocha";
import { packStrings, unpackStrings } from "../protocol/tensor.ts";
import { makeFolder } from "../storage/testing/folder.ts";
import type { TestFolder } from "../storage/testing/folder.ts";
import { fixtures } from "../tasks/testing/local-task.ts";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { GrpcTestClient, grpcPort } from "./testing/client.ts";

/** A flower's number becomes its features, a class its name; and what `odd` asks for goes wrong. */
const handler = `
  const flowers = new Map([[7, [5.1, 3.5, 1.4, 0.2]]]);
  const names = ["setosa", "versicolor", "virginica"];
  export async function preprocess({ body, protocol, headers }, { values, signal, log }) {
    values.odd = body.parameters?.odd ?? headers["x-odd"];
    if (values.odd === "wait") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      log("aborted");
    }
    if (values.odd === "secret") throw new Error("password=secret");
    if (values.odd === "passes") return;
    const [{ data }] = body.inputs;
    const rows = data.map((flower) => flowers.get(flower));
    if (rows.includes(undefined)) {
      throw Object.assign(new Error("there is no such flower"), { status: 404 });
    }
    const input = { name: "input", datatype: "FP32", shape: [rows.length, 4], data: rows.flat() };
    return { body: { ...body, inputs: [input] } };
  }
  export function postprocess({ body, status }, { values }) {
    if (values.odd === "passes") return;
    if (values.odd === "bytes") return { body: Buffer.from("a,b"), contentType: "text/csv" };
    if (values.odd === "field") return { body: { ...body, answered: true } };
    const { data, shape } = body.outputs[0];
    const name = { name: "name", datatype: "BYTES", shape, data: data.map((at) => names[at]) };
    const { id } = body;
    return { body: { id, parameters: { status, sure: false, share: 0.5 }, outputs: [name] } };
  }
  export function afterResponse({ request, response }, { log }) {
    const asked = request.body.inputs[0].name;
    log([request.protocol, request.id, asked, response.status, JSON.stringify(response.body)].join(" "));
  }
`;

let folder: TestFolder;
let predictor: TestPredictor;
let client: GrpcTestClient;

before(async () => {
  folder = await makeFolder();
  await mkdir(join(folder.path, "m"));
  await copyFile(irisPath, join(folder.path, "m", "model.onnx"));
  await writeFile(join(folder.path, "m", "handler.js"), handler);
  predictor = await TestPredictor.serving({
    STORAGE_URI: join(folder.path, "m"),
    HANDLERS_ALLOWED: "true",
    GRPC_PORT: "0",
  });
  client = new GrpcTestClient(await grpcPort(predictor));
});
after(async () => {
  client[Symbol.dispose]();
  await predictor[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const flower = { name: "flower", datatype: "INT64", shape: [1] };
const asking = (odd?: string, number = 7): object => ({
  model_name: "m",
  id: "a-1",
  inputs: [{ ...flower, contents: { int64_contents: [number] } }],
  ...(odd === undefined ? {} : { parameters: { odd: { string_param: odd } } }),
});

/** What the handler's log says, once it does. */
async function saidOf(text: string): Promise<string> {
  const find = (): string | undefined =>
    predictor.log
      .map((line) => (line as { says?: string }).says ?? "")
      .find((line) => line.includes(text));
  for (let times = 1; find() === undefined; times++) await predictor.logged("handler", times);
  return find() ?? "";
}

describe("a handler over gRPC", () => {
  it("does what it does over HTTP: before, after, and once the answer is out", async () => {
    const http = await predictor.post("/v2/models/m/infer", {
      id: "a-1",
      inputs: [{ ...flower, data: [7] }],
    });
    const { outputs: wanted } = http.json as { outputs: { data: string[] }[] };
    assert.deepEqual(wanted[0]?.data, ["setosa"], http.text);
    const { code, details, message } = await client.call("ModelInfer", asking());
    assert.equal(code, status.OK, details);
    const { raw_output_contents, outputs, ...rest } = message as {
      raw_output_contents: Uint8Array<ArrayBuffer>[];
      outputs: { name: string; datatype: string; shape: string[] }[];
      [name: string]: unknown;
    };
    assert.deepEqual(
      outputs.map(({ name, datatype, shape }) => [name, datatype, shape]),
      [["name", "BYTES", ["1"]]],
    );
    assert.deepEqual(unpackStrings(new Uint8Array(raw_output_contents[0] ?? [])), ["setosa"]);
    assert.deepEqual([rest["id"], rest["model_name"], rest["model_version"]], ["a-1", "m", "1"]);
    const parameters = rest["parameters"] as Record<string, Record<string, unknown>>;
    assert.equal(parameters["status"]?.["int64_param"], "200");
    assert.equal(parameters["sure"]?.["bool_param"], false);
    assert.equal(parameters["share"]?.["double_param"], 0.5);
    const said = await saidOf("grpc ");
    assert.match(said, /^grpc \S+ flower 200 \{"id":"a-1".*"data":\["setosa"\]/);
  });

  it("sees raw contents, metadata and the request's id as well", async () => {
    const request = {
      ...asking(),
      inputs: [flower],
      raw_input_contents: [new Uint8Array(BigInt64Array.of(7n).buffer)],
    };
    const headers = { "x-request-id": "from-afar", "x-odd": "field" };
    const { code } = await client.call("ModelInfer", request, { headers });
    assert.equal(code, status.UNIMPLEMENTED);
    assert.match(await saidOf("from-afar"), /^grpc from-afar flower 501 /);
  });

  it("that passes leaves the tensors as they are", async () => {
    const input = { name: "input", datatype: "FP32", shape: [1, 4] };
    const { code, details, message } = await client.call("ModelInfer", {
      ...asking("passes"),
      inputs: [{ ...input, contents: { fp32_contents: [5.1, 3.5, 1.4, 0.2] } }],
    });
    assert.equal(code, status.OK, details);
    assert.equal((message["raw_output_contents"] as Buffer[])[0]?.readBigInt64LE(), 0n);
  });

  const faults: { why: string; request: object; code: status; says: RegExp }[] = [
    {
      why: "the client's fault",
      request: asking(undefined, 8),
      code: status.NOT_FOUND,
      says: /^there is no such flower$/,
    },
    {
      why: "the handler's own fault",
      request: asking("secret"),
      code: status.INTERNAL,
      says: /^the handler's preprocess failed$/,
    },
    {
      why: "an answer that is no tensors",
      request: asking("bytes"),
      code: status.UNIMPLEMENTED,
      says: /^what the handler answers can't be said in gRPC: the body is not JSON.*; ask over HTTP$/,
    },
    {
      why: "an answer with more than tensors",
      request: asking("field"),
      code: status.UNIMPLEMENTED,
      says: /can't be said in gRPC: it has a field "answered"; ask over HTTP$/,
    },
    {
      why: "what is no message of the protocol",
      request: { model_name: "m", inputs: [{ name: "flower", datatype: "TEXT" }] },
      code: status.INVALID_ARGUMENT,
      says: /^input "flower": "TEXT" is no datatype/,
    },
  ];
  for (const { why, request, code, says } of faults) {
    it(`answers ${why} with ${status[code]}`, async () => {
      const outcome = await client.call("ModelInfer", request);
      assert.equal(outcome.code, code, outcome.details);
      assert.match(outcome.details, says);
    });
  }

  it("is asked for each message of a stream", async () => {
    const stream = client.stream("ModelStreamInfer");
    const answers: string[] = [];
    const ended = new Promise((resolve) => stream.on("end", resolve));
    stream.on("data", (answer) => answers.push(String(answer["error_message"])));
    for (const request of [asking(), asking(undefined, 8)]) stream.write(request);
    stream.end();
    await ended;
    assert.deepEqual(answers, ["", "there is no such flower"]);
  });

  it("is told by its signal when the client's deadline is over", async () => {
    const deadline = Date.now() + 300;
    const { code } = await client.call("ModelInfer", asking("wait"), { deadline });
    assert.equal(code, status.DEADLINE_EXCEEDED);
    await saidOf("aborted");
  });
});

describe("a picture over gRPC", () => {
  it("is bytes that are no text", async () => {
    await using task = await TestPredictor.serving({
      STORAGE_URI: join(fixtures, "image-classification"),
      MODEL_NAME: "m",
      GRPC_PORT: "0",
    });
    using asks = new GrpcTestClient(await grpcPort(task));
    const picture = readFileSync(join(fixtures, "image-classification/tall.png"));
    const image = { name: "image", datatype: "BYTES", shape: [1] };
    for (const request of [
      { inputs: [{ ...image, contents: { bytes_contents: [picture] } }] },
      { inputs: [image], raw_input_contents: [lengthBefore(picture)] },
    ]) {
      const { code, details } = await asks.call("ModelInfer", { model_name: "m", ...request });
      assert.equal(code, status.OK, details);
    }
  });
});

function lengthBefore(bytes: Uint8Array): Uint8Array {
  const packed = packStrings([""]);
  new DataView(packed.buffer).setUint32(0, bytes.byteLength, true);
  return Buffer.concat([packed, bytes]);
}
