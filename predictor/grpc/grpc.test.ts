import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { after, before, describe, it } from "mocha";
import { countingModel, everyTypeModel } from "../../hack/models/fixtures.ts";
import { packStrings } from "../protocol/tensor.ts";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";
import { GrpcTestClient, grpcPort } from "./testing/client.ts";

const token = "let-me-in";
let iris: TestPredictor;
let client: GrpcTestClient;

before(async () => {
  iris = await TestPredictor.serving({
    STORAGE_URI: irisPath,
    GRPC_PORT: "0",
    ADMIN_PORT: "0",
    ADMIN_TOKEN: token,
    BODY_BYTES_MAX: "100000",
  });
  client = new GrpcTestClient(await grpcPort(iris));
});
after(async () => {
  client[Symbol.dispose]();
  await iris[Symbol.asyncDispose]();
});

const flower = [5.1, 3.5, 1.4, 0.2];
const flowerBytes = Buffer.from(Float32Array.from(flower).buffer);
const input = { name: "input", datatype: "FP32", shape: [1, 4] };
const typed = { ...input, contents: { fp32_contents: flower } };

describe("gRPC", () => {
  const rows: { method: string; request: object; message: object }[] = [
    { method: "ServerLive", request: {}, message: { live: true } },
    { method: "ServerReady", request: {}, message: { ready: true } },
    { method: "ModelReady", request: { name: "iris" }, message: { ready: true } },
    { method: "ModelReady", request: { name: "iris", version: "1" }, message: { ready: true } },
    { method: "ModelReady", request: { name: "iris", version: "2" }, message: { ready: false } },
    { method: "ModelReady", request: { name: "rose" }, message: { ready: false } },
    {
      method: "ModelMetadata",
      request: { name: "iris" },
      message: {
        name: "iris",
        versions: ["1"],
        platform: "onnx_onnxv1",
        inputs: [{ name: "input", datatype: "FP32", shape: ["-1", "4"] }],
        outputs: [
          { name: "label", datatype: "INT64", shape: ["-1"] },
          { name: "probabilities", datatype: "FP32", shape: ["-1", "3"] },
        ],
      },
    },
  ];
  for (const { method, request, message } of rows) {
    it(`${method} of ${JSON.stringify(request)}`, async () => {
      assert.deepEqual((await client.call(method, request)).message, message);
    });
  }
  it("infers from typed and from raw contents, with the id", async () => {
    for (const request of [
      { inputs: [typed] },
      { inputs: [input], raw_input_contents: [flowerBytes] },
    ]) {
      const { code, message, details } = await client.call("ModelInfer", {
        model_name: "iris",
        id: "a-1",
        ...request,
      });
      assert.equal(code, status.OK, details);
      const { id, model_version, outputs, raw_output_contents } = message as {
        id: string;
        model_version: string;
        outputs: { name: string; shape: string[] }[];
        raw_output_contents: Buffer[];
      };
      assert.deepEqual([id, model_version], ["a-1", "1"]);
      assert.deepEqual(
        outputs.map(({ name, shape }) => [name, shape]),
        [
          ["label", ["1"]],
          ["probabilities", ["1", "3"]],
        ],
      );
      assert.equal(raw_output_contents[0]?.readBigInt64LE(), 0n);
      assert((raw_output_contents[1]?.readFloatLE() ?? 0) > 0.9);
    }
  });
  it("answers the outputs asked for", async () => {
    const { message } = await client.call("ModelInfer", {
      model_name: "iris",
      inputs: [typed],
      outputs: [{ name: "probabilities" }],
    });
    assert.equal((message["raw_output_contents"] as unknown[]).length, 1);
  });
  it("says in Triton's words how the model is configured and used", async () => {
    const { message } = await client.call("ModelConfig", { name: "iris" });
    const config = message["config"] as Record<string, unknown>;
    const FP32 = 11;
    assert.equal(config["max_batch_size"], 32);
    assert.deepEqual(config["input"], [{ name: "input", data_type: FP32, dims: ["4"] }]);
    const { message: all } = await client.call("ModelStatistics", {});
    const [only] = all["model_stats"] as { name: string; inference_count: string }[];
    assert.equal(only?.name, "iris");
    assert(Number(only?.inference_count) > 0);
  });
  const infer = (request: object): object => ({ model_name: "iris", ...request });
  const faults: { why: string; method?: string; request: object; code: status; says: RegExp }[] = [
    {
      why: "an unknown model",
      request: { model_name: "rose" },
      code: status.NOT_FOUND,
      says: /no model "rose"/,
    },
    {
      why: "an unknown version",
      request: infer({ model_version: "7" }),
      code: status.NOT_FOUND,
      says: /no version "7"/,
    },
    {
      why: "a missing input",
      request: infer({}),
      code: status.INVALID_ARGUMENT,
      says: /"input" is missing/,
    },
    {
      why: "an unknown input",
      request: infer({ inputs: [{ ...typed, name: "x" }] }),
      code: status.INVALID_ARGUMENT,
      says: /no input "x"/,
    },
    {
      why: "another datatype",
      request: infer({ inputs: [{ ...typed, datatype: "FP64" }] }),
      code: status.INVALID_ARGUMENT,
      says: /takes FP32/,
    },
    {
      why: "another shape",
      request: infer({ inputs: [{ ...typed, shape: [4] }] }),
      code: status.INVALID_ARGUMENT,
      says: /takes \[-1,4\]/,
    },
    {
      why: "too few elements",
      request: infer({ inputs: [{ ...input, contents: { fp32_contents: [1] } }] }),
      code: status.INVALID_ARGUMENT,
      says: /takes 16 bytes/,
    },
    {
      why: "another field of contents",
      request: infer({ inputs: [{ ...input, contents: { fp64_contents: flower } }] }),
      code: status.INVALID_ARGUMENT,
      says: /has fp64_contents, FP32 elements are in fp32_contents/,
    },
    {
      why: "typed and raw contents",
      request: infer({ inputs: [typed], raw_input_contents: [flowerBytes] }),
      code: status.INVALID_ARGUMENT,
      says: /has contents, but raw_input_contents/,
    },
    {
      why: "raw contents of some inputs",
      request: infer({ inputs: [input], raw_input_contents: [flowerBytes, flowerBytes] }),
      code: status.INVALID_ARGUMENT,
      says: /2 elements for 1 inputs/,
    },
    {
      why: "an unknown output",
      request: infer({ inputs: [typed], outputs: [{ name: "y" }] }),
      code: status.INVALID_ARGUMENT,
      says: /no output "y"/,
    },
    {
      why: "a message beyond the limit",
      request: infer({ raw_input_contents: [Buffer.alloc(100_001)] }),
      code: status.RESOURCE_EXHAUSTED,
      says: /larger|max/i,
    },
    {
      why: "the repository without the token",
      method: "RepositoryIndex",
      request: {},
      code: status.UNAUTHENTICATED,
      says: /ADMIN_TOKEN/,
    },
  ];
  for (const { why, method = "ModelInfer", request, code, says } of faults) {
    it(`refuses ${why}`, async () => {
      const outcome = await client.call(method, request);
      assert.equal(outcome.code, code, outcome.details);
      assert.match(outcome.details, says);
    });
  }
  it("serves the repository to who has the token", async () => {
    const { message } = await client.call("RepositoryIndex", {}, { token });
    assert.deepEqual(message["models"], [
      { name: "iris", version: "1", state: "READY", reason: "" },
    ]);
    // As Triton's clients name the model, and as KServe's do.
    for (const request of [{ model_name: "iris" }, { repository_name: "iris" }]) {
      const { message: loaded } = await client.call("RepositoryModelLoad", request, { token });
      assert.deepEqual(loaded, { model_name: "iris", isLoaded: true });
    }
  });
  it("streams answers in order, with a fault among them", async () => {
    const stream = client.stream("ModelStreamInfer");
    const answers: Record<string, unknown>[] = [];
    stream.on("data", (answer: Record<string, unknown>) => answers.push(answer));
    for (const id of ["1", "2"]) stream.write({ model_name: "iris", id, inputs: [typed] });
    stream.write({ model_name: "rose" });
    stream.end();
    await once(stream, "end");
    assert.deepEqual(
      answers.map(
        (answer) =>
          answer["error_message"] || (answer["infer_response"] as { id: string } | null)?.id,
      ),
      ["1", "2", 'there is no model "rose"'],
    );
  });
  it("bytes that are no message harm nobody", async () => {
    const socket = connect(await grpcPort(iris), "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    assert.equal((await client.call("ServerReady", {})).message["ready"], true);
  });
});

describe("gRPC, elsewhere", () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), "pilotlight-grpc-"))));
  after(async () => rm(folder, { recursive: true }));

  it("carries every datatype, typed where the protocol can, on the port of HTTP", async () => {
    await writeFile(join(folder, "every.onnx"), everyTypeModel());
    await using every = await TestPredictor.serving({
      STORAGE_URI: join(folder, "every.onnx"),
      PROTOCOL: "grpc-v2",
    });
    using shared = new GrpcTestClient(every.port);
    const contents: Record<string, [contents: object | undefined, raw: Uint8Array]> = {
      BOOL: [{ bool_contents: [true, false] }, Uint8Array.of(1, 0)],
      UINT8: [{ uint_contents: [255, 0] }, Uint8Array.of(255, 0)],
      UINT16: [{ uint_contents: [65_535, 1] }, bytes(Uint16Array.of(65_535, 1))],
      UINT32: [{ uint_contents: [2 ** 32 - 1, 1] }, bytes(Uint32Array.of(2 ** 32 - 1, 1))],
      UINT64: [{ uint64_contents: [`${2n ** 64n - 1n}`, "1"] }, longs(2n ** 64n - 1n, 1n)],
      INT8: [{ int_contents: [-128, 1] }, bytes(Int8Array.of(-128, 1))],
      INT16: [{ int_contents: [-32_768, 1] }, bytes(Int16Array.of(-32_768, 1))],
      INT32: [{ int_contents: [-(2 ** 31), 1] }, bytes(Int32Array.of(-(2 ** 31), 1))],
      INT64: [{ int64_contents: [`${-(2n ** 63n)}`, "1"] }, longs(-(2n ** 63n), 1n)],
      FP16: [undefined, bytes(Uint16Array.of(0x47_00, 0xc7_00))],
      BF16: [undefined, bytes(Uint16Array.of(0x40_e0, 0xc0_e0))],
      FP32: [{ fp32_contents: [1.5, -0] }, bytes(Float32Array.of(1.5, -0))],
      FP64: [{ fp64_contents: [0.1, -2] }, bytes(Float64Array.of(0.1, -2))],
      BYTES: [{ bytes_contents: [Buffer.from("é"), Buffer.alloc(0)] }, packStrings(["é", ""])],
    };
    const names = Object.keys(contents);
    const head = (name: string): object => ({
      name: `in_${name}`,
      datatype: name,
      shape: [1, 2],
    });
    const raw = {
      model_name: "every",
      inputs: names.map(head),
      raw_input_contents: names.map((name) => contents[name]?.[1]),
    };
    const expected = names.map((name) => Buffer.from(contents[name]?.[1] ?? []));
    const fromRaw = await shared.call("ModelInfer", raw);
    assert.deepEqual(fromRaw.message["raw_output_contents"], expected, fromRaw.details);
    const typedInputs = names.map((name) => ({ ...head(name), contents: contents[name]?.[0] }));
    const halves = await shared.call("ModelInfer", { model_name: "every", inputs: typedInputs });
    assert.equal(halves.code, status.INVALID_ARGUMENT);
    assert.match(halves.details, /"in_FP16": contents has no field for FP16/);
    // HTTP is served on the same port.
    assert.equal((await every.get("/v2/health/ready")).status, 200);
  });

  for (const shared of [false, true]) {
    it(`answers what is in flight before it ends, ${shared ? "on one port" : "alone"}`, async () => {
      const path = join(folder, "counting.onnx");
      await writeFile(path, countingModel());
      await using counting = await TestPredictor.serving({
        STORAGE_URI: path,
        ...(shared ? { PROTOCOL: "grpc-v2" } : { GRPC_PORT: "0" }),
      });
      using busy = new GrpcTestClient(shared ? counting.port : await grpcPort(counting));
      assert.equal((await busy.call("ServerReady", {})).message["ready"], true);
      const trips = 300_000n;
      const answering = busy.call("ModelInfer", {
        model_name: "counting",
        inputs: [{ name: "trips", datatype: "INT64", shape: [1] }],
        raw_input_contents: [longs(trips)],
      });
      // The call is in: the server answers another one that came after it.
      await busy.call("ServerLive", {});
      counting.signal("SIGTERM");
      const { code, message, details } = await answering;
      assert.equal(code, status.OK, details);
      assert.deepEqual(message["raw_output_contents"], [Buffer.from(longs(trips))]);
      assert.equal(await counting.exited, 0);
    });
  }

  it("honours the client's deadline and its leaving", async () => {
    await writeFile(join(folder, "counting.onnx"), countingModel());
    await using counting = await TestPredictor.serving({
      STORAGE_URI: join(folder, "counting.onnx"),
      GRPC_PORT: "0",
    });
    using busy = new GrpcTestClient(await grpcPort(counting));
    const trips = longs(2n ** 62n);
    const request = {
      model_name: "counting",
      inputs: [{ name: "trips", datatype: "INT64", shape: [1] }],
      raw_input_contents: [trips],
    };
    const outcome = await busy.call("ModelInfer", request, { deadline: Date.now() + 500 });
    assert.equal(outcome.code, status.DEADLINE_EXCEEDED);
    // The executor that counts for ever is replaced, and the next request is answered.
    const next = { ...request, raw_input_contents: [longs(3n)] };
    const { code, message, details } = await busy.call("ModelInfer", next);
    assert.equal(code, status.OK, details);
    assert.deepEqual(message["raw_output_contents"], [Buffer.from(longs(3n))]);
  });
});

function bytes(view: ArrayBufferView<ArrayBuffer>): Uint8Array {
  return new Uint8Array(view.buffer);
}

const longs = (...values: bigint[]): Uint8Array =>
  bytes(BigUint64Array.from(values.map((value) => BigInt.asUintN(64, value))));
