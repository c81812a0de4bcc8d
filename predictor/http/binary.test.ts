import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { everyTypeModel, identityModel } from "../../hack/models/fixtures.ts";
import { datatypes, isDatatype } from "../protocol/datatypes.ts";
import type { Datatype } from "../protocol/datatypes.ts";
import { encodeElements } from "../protocol/elements.ts";
import { numbersOf, packStrings } from "../protocol/tensor.ts";
import type { Bytes } from "../protocol/tensor.ts";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";

const names = Object.keys(datatypes).filter(isDatatype);
const infer = "/v2/models/every/infer";

let folder: string;
let every: TestPredictor;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pilotlight-binary-"));
  await writeFile(join(folder, "every.onnx"), everyTypeModel());
  every = await TestPredictor.serving({ STORAGE_URI: join(folder, "every.onnx") });
});
after(async () => {
  await every[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

type Binary = { head: Record<string, unknown>; parts: Buffer };

async function post(
  to: TestPredictor,
  path: string,
  { json, parts = [] }: { json: string; parts?: Uint8Array[] },
): Promise<{ status: number; json: Record<string, unknown>; parts: Buffer; type: string }> {
  const response = await fetch(to.url + path, {
    method: "POST",
    headers: parts.length === 0 ? {} : { "inference-header-content-length": `${json.length}` },
    body: Buffer.concat([Buffer.from(json), ...parts]),
  });
  const body = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get("content-type") ?? "";
  const { head, parts: rest } = split(body, response.headers);
  return { status: response.status, json: head, parts: rest, type };
}

function split(body: Buffer, headers: Headers): Binary {
  const length = Number(headers.get("inference-header-content-length") ?? body.byteLength);
  const head = JSON.parse(body.toString("utf8", 0, length)) as Record<string, unknown>;
  return { head, parts: body.subarray(length) };
}

type Given = { datatype: Datatype; data: Bytes };

/** Rows for every datatype: JSON can carry them, so no NaN. */
const anyRows = fc
  .record({ rows: fc.integer({ min: 0, max: 3 }), columns: fc.integer({ min: 0, max: 3 }) })
  .chain(({ rows, columns }) =>
    fc.tuple(...names.map((datatype) => elementsOf(datatype, rows * columns))).map((all) => ({
      shape: [rows, columns],
      tensors: all.map((data, index): Given => ({ datatype: names[index] ?? "BOOL", data })),
    })),
  );

function elementsOf(datatype: Datatype, count: number): fc.Arbitrary<Bytes> {
  const { kind, bytes } = datatypes[datatype];
  const lengths = { minLength: count, maxLength: count };
  if (kind === "string") return fc.array(fc.string({ unit: "grapheme" }), lengths).map(packStrings);
  const raw = fc.uint8Array({ minLength: count * bytes, maxLength: count * bytes });
  if (kind === "bool") return raw.map((data) => Uint8Array.from(data, (byte) => byte % 2));
  return raw
    .map((data) => Uint8Array.from(data))
    .filter(
      (data) =>
        kind !== "float" ||
        Array.from(numbersOf({ datatype, data }), Number).every((each) => Number.isFinite(each)),
    );
}

describe("binary tensors", () => {
  it("give what JSON gives, for every datatype and shape, zero-sized ones too", async () => {
    await fc.assert(
      fc.asyncProperty(anyRows, async ({ shape, tensors }) => {
        const head = (index: number): string => {
          const { datatype } = tensors[index] ?? { datatype: "BOOL" };
          return `"name":"in_${datatype}","datatype":"${datatype}","shape":[${shape.join()}]`;
        };
        const inputs = tensors.map(({ datatype, data }, index) => {
          const text = encodeElements({ name: "", datatype, shape, data });
          return `{${head(index)},"data":[${text}]}`;
        });
        const asJson = await post(every, infer, { json: `{"inputs":[${inputs.join()}]}` });
        assert.equal(asJson.status, 200, JSON.stringify(asJson.json));
        const binary = tensors.map(
          ({ data }, index) =>
            `{${head(index)},"parameters":{"binary_data_size":${data.byteLength}}}`,
        );
        const parameters = `"parameters":{"binary_data_output":true}`;
        const asBytes = await post(every, infer, {
          json: `{${parameters},"inputs":[${binary.join()}]}`,
          parts: tensors.map(({ data }) => data),
        });
        assert.equal(asBytes.status, 200, JSON.stringify(asBytes.json));
        assert.deepEqual(asBytes.parts, Buffer.concat(tensors.map(({ data }) => data)));
        const outputs = asJson.json["outputs"] as { shape: number[] }[];
        const sizes = asBytes.json["outputs"] as { shape: number[] }[];
        assert.deepEqual(
          outputs.map((output) => output.shape),
          sizes.map((output) => output.shape),
        );
        // The JSON answer, digit by digit, is what the bytes say.
        const texts = tensors.map(({ datatype, data }) => {
          const text = encodeElements({ name: "", datatype, shape, data });
          return JSON.parse(`[${text}]`) as unknown[];
        });
        assert.deepEqual(
          outputs.map((output) => (output as unknown as { data: unknown[] }).data),
          texts,
        );
      }),
      { numRuns: 25 },
    );
  }).timeout(120_000);
  const one = { name: "in_FP32", datatype: "FP32", shape: [1, 2] };
  const others = names
    .filter((name) => name !== "FP32")
    .map((name) => ({ name: `in_${name}`, datatype: name, shape: [1, 0], data: [] }));
  const four = new Uint8Array(Float32Array.of(1, 2).buffer);
  const rows: { why: string; input?: object; parts: Uint8Array[]; says: RegExp }[] = [
    {
      why: "a size beyond the body",
      input: { parameters: { binary_data_size: 9 } },
      parts: [four],
      says: /only 8 bytes are left/,
    },
    {
      why: "a size that is none",
      input: { parameters: { binary_data_size: "8" } },
      parts: [four],
      says: /no number of bytes/,
    },
    {
      why: "a size that the shape denies",
      input: { parameters: { binary_data_size: 4 } },
      parts: [four.subarray(4)],
      says: /takes 8 bytes, the binary data has 4/,
    },
    {
      why: "bytes and data",
      input: { data: [1, 2], parameters: { binary_data_size: 8 } },
      parts: [four],
      says: /both data and binary_data_size/,
    },
    {
      why: "bytes that belong to nothing",
      input: { data: [1, 2] },
      parts: [four],
      says: /8 bytes of binary data belong to no input/,
    },
    {
      why: "a size without the header",
      input: { parameters: { binary_data_size: 8 } },
      parts: [],
      says: /needs the header Inference-Header-Content-Length/,
    },
  ];
  for (const { why, input, parts, says } of rows) {
    it(`are 400 with ${why}`, async () => {
      const json = JSON.stringify({ inputs: [...others, { ...one, ...input }] });
      const answer = await post(every, infer, { json, parts });
      assert.equal(answer.status, 400);
      assert.match(String(answer.json["error"]), says);
    });
  }
  it("are 400 when the header is no length of this body", async () => {
    for (const length of ["-1", "x", "1e3", "999999", "1, 2"]) {
      const response = await fetch(every.url + infer, {
        method: "POST",
        headers: { "inference-header-content-length": length },
        body: "{}",
      });
      assert.equal(response.status, 400, length);
      assert.match(await response.text(), /Inference-Header-Content-Length is/);
    }
  });
  it("of strings must be whole, as many as the shape says, and UTF-8", async () => {
    const ask = async (bytes: number[]): Promise<unknown> => {
      const parameters = { binary_data_size: bytes.length };
      const zero = names
        .filter((name) => name !== "BYTES")
        .map((name) => ({ name: `in_${name}`, datatype: name, shape: [1, 0], data: [] }));
      const input = { name: "in_BYTES", datatype: "BYTES", shape: [1, 1], parameters };
      const json = JSON.stringify({ inputs: [...zero, input] });
      return (await post(every, infer, { json, parts: [Uint8Array.from(bytes)] })).json["error"];
    };
    assert.match(String(await ask([2, 0, 0, 0, 97])), /element 0 is cut short/);
    assert.match(String(await ask([1, 0, 0])), /element 0 is cut short/);
    assert.match(String(await ask([0, 0, 0, 0, 0, 0, 0, 0])), /holds 1 elements, .* has 2/);
    assert.match(String(await ask([1, 0, 0, 0, 255])), /not valid UTF-8/);
  });
  it("come for the outputs that ask, as JSON for the others", async () => {
    const inputs = names.map((name) => ({
      name: `in_${name}`,
      datatype: name,
      shape: [1, 1],
      data: [name === "BYTES" ? "é" : name === "BOOL" ? true : 7],
    }));
    const outputs = [
      { name: "out_FP16", parameters: { binary_data: true } },
      { name: "out_INT8" },
      { name: "out_BYTES", parameters: { binary_data: true } },
    ];
    const answer = await post(every, infer, { json: JSON.stringify({ inputs, outputs }) });
    assert.equal(answer.type, "application/octet-stream");
    const given = answer.json["outputs"] as Record<string, unknown>[];
    assert.deepEqual(
      given.map(({ data, parameters }) => data ?? parameters),
      [{ binary_data_size: 2 }, [7], { binary_data_size: 6 }],
    );
    // 7 is 0x4700 as half float.
    assert.deepEqual([...answer.parts], [0x00, 0x47, 2, 0, 0, 0, 0xc3, 0xa9]);
    const none = outputs.map(({ name }) => ({ name, parameters: { binary_data: false } }));
    const parameters = { binary_data_output: true };
    const json = JSON.stringify({ inputs, outputs: none, parameters });
    assert.equal((await post(every, infer, { json })).type, "application/json");
  });
});

describe("raw binary requests", () => {
  const raw = async (to: TestPredictor, path: string, body: Uint8Array): Promise<Response> =>
    fetch(to.url + path, {
      method: "POST",
      headers: { "inference-header-content-length": "0" },
      body: Buffer.from(body),
    });
  it("have the shape that their bytes leave, and are answered in bytes", async () => {
    await using iris = await TestPredictor.serving({ STORAGE_URI: irisPath });
    const flower = new Uint8Array(Float32Array.of(5.1, 3.5, 1.4, 0.2).buffer);
    const response = await raw(iris, "/v2/models/iris/infer", flower);
    assert.equal(response.status, 200);
    const { head, parts } = split(Buffer.from(await response.arrayBuffer()), response.headers);
    const [label] = head["outputs"] as { shape: number[]; parameters: object }[];
    assert.deepEqual(label?.shape, [1]);
    assert.deepEqual(label?.parameters, { binary_data_size: 8 });
    assert.equal(parts.byteLength, 8 + 3 * 4);
    const short = await raw(iris, "/v2/models/iris/infer", flower.subarray(4));
    assert.equal(short.status, 400);
    assert.match(await short.text(), /takes 16 bytes, the binary data has 12/);
  });
  it("of a string are its bytes alone", async () => {
    const path = join(folder, "words.onnx");
    await writeFile(path, identityModel("STRING", ["n"]));
    await using words = await TestPredictor.serving({ STORAGE_URI: path });
    const response = await raw(words, "/v2/models/words/infer", Buffer.from("naïve"));
    assert.equal(response.status, 200);
    const { parts } = split(Buffer.from(await response.arrayBuffer()), response.headers);
    assert.equal(parts.subarray(4).toString(), "naïve");
  });
  it("are 400 for several inputs", async () => {
    const response = await raw(every, infer, Uint8Array.of(1));
    assert.equal(response.status, 400);
    assert.match(await response.text(), /models with one input, this has 14/);
  });
});

describe("tensors of many kilobytes", () => {
  it("come back as they were sent, whoever else is served meanwhile", async () => {
    const model = join(folder, "identity.onnx");
    await writeFile(model, identityModel("FLOAT"));
    await using identity = await TestPredictor.serving({ STORAGE_URI: model });
    const columns = 150_000;
    const ask = async (value: number): Promise<void> => {
      const sent = new Float32Array(columns).fill(value);
      const { status, parts } = await post(identity, "/v2/models/identity/infer", {
        json: JSON.stringify({
          inputs: [
            {
              name: "x",
              datatype: "FP32",
              shape: [1, columns],
              parameters: { binary_data_size: sent.byteLength },
            },
          ],
          parameters: { binary_data_output: true },
        }),
        parts: [new Uint8Array(sent.buffer)],
      });
      assert.equal(status, 200);
      assert(parts.equals(new Uint8Array(sent.buffer)), `${value} came back as something else`);
    };
    for (let round = 0; round < 4; round++) {
      await Promise.all(Array.from({ length: 12 }, async (_, index) => ask(round * 12 + index)));
    }
  });
});
