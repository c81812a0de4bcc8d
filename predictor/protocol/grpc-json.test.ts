import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { inferRequestBytes } from "../grpc/testing/wire.ts";
import { decodeAnswerJson, encodeRequestJson } from "./grpc-json.ts";
import type { Message } from "./protobuf.ts";
import { packStrings, viewOf } from "./tensor.ts";
import type { Bytes } from "./tensor.ts";

const bytesOf = (view: ArrayBufferView<ArrayBuffer>): Bytes =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const answer = (value: unknown): Message =>
  decodeAnswerJson(new TextEncoder().encode(JSON.stringify(value)));
const outputsOf = (...tensors: object[]): object => ({ outputs: tensors });

describe("a gRPC request as JSON", () => {
  const rows: {
    why: string;
    input: { datatype: string; shape: number[]; contents?: object };
    raw?: Bytes;
    data: string;
  }[] = [
    {
      why: "64-bit integers beyond a double, from contents",
      input: { datatype: "INT64", shape: [1], contents: { int64_contents: [`${2n ** 62n + 1n}`] } },
      data: "4611686018427387905",
    },
    {
      why: "floats from raw bytes that lie unaligned",
      input: { datatype: "FP32", shape: [2] },
      raw: bytesOf(Float32Array.of(0.5, Number.NaN)),
      data: "0.5,null",
    },
    {
      why: "text",
      input: { datatype: "BYTES", shape: [2] },
      raw: packStrings(["é", '"']),
      data: '"é","\\""',
    },
    {
      why: "bytes that are no text",
      input: { datatype: "BYTES", shape: [1], contents: { bytes_contents: [Uint8Array.of(255)] } },
      data: '{"b64":"/w=="}',
    },
  ];
  for (const { why, input, raw, data } of rows) {
    it(`has ${why}`, () => {
      const message = inferRequestBytes({
        inputs: [{ name: "x", ...input }],
        ...(raw && { raw_input_contents: [raw] }),
      });
      // As it may lie behind the head of its frame.
      const odd = bytesOf(Buffer.concat([Buffer.alloc(1), message])).subarray(1);
      const text = encodeRequestJson(odd);
      const { datatype, shape } = input;
      const head = `"name":"x","datatype":"${datatype}","shape":[${shape.join()}]`;
      assert.equal(text, `{"inputs":[{${head},"data":[${data}]}]}`);
    });
  }

  it("has the id, the parameters and the outputs asked for", () => {
    const parameters = { top_k: { int64_param: 3 } };
    const outputs = [{ name: "y" }];
    const text = encodeRequestJson(inferRequestBytes({ id: "7", parameters, outputs }));
    const wanted = { inputs: [], id: "7", parameters: { top_k: 3 }, outputs: [{ name: "y" }] };
    assert.deepEqual(JSON.parse(text), wanted);
  });
});

describe("an answer in JSON as gRPC's", () => {
  it("has its tensors as bytes, null as NaN, large integers exactly", () => {
    const fp = { name: "f", datatype: "FP32", shape: [1, 2], data: [[0.5, null]] };
    const [floats] = answer(outputsOf(fp))["raw_output_contents"] as Bytes[];
    const view = viewOf({ datatype: "FP32", data: floats ?? new Uint8Array() });
    assert.deepEqual([...(view as Float32Array)], [0.5, Number.NaN]);
    const text =
      '{"outputs":[{"name":"l","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}';
    const { raw_output_contents: raw } = decodeAnswerJson(new TextEncoder().encode(text));
    const [long] = raw as Bytes[];
    assert.deepEqual(long, bytesOf(BigInt64Array.of(9_007_199_254_740_993n)));
  });

  const tensor = { name: "x", datatype: "INT64", shape: [1], data: [1] };
  const refused: [value: unknown, says: RegExp, why: string][] = [
    [[], /it is no object/, "a list"],
    [{ predictions: [1] }, /it has a field "predictions"/, "v1's answer"],
    [{}, /outputs is not an array/, "no outputs"],
    [outputsOf({ ...tensor, name: 1 }), /an output has no name/, "a name that is none"],
    [outputsOf({ ...tensor, datatype: "FP8" }), /"FP8" is no datatype/, "a datatype of no model"],
    [outputsOf({ ...tensor, shape: [2] }), /output "x": shape \[2\] holds 2/, "a wrong shape"],
    [outputsOf({ ...tensor, data: ["a"] }), /output "x": element 0 is "a"/, "a wrong element"],
    [outputsOf({ ...tensor, why: 1 }), /output "x" has a field "why"/, "more than a tensor"],
    [{ ...outputsOf(tensor), id: 7 }, /id is not a string/, "an id that is none"],
    [
      { ...outputsOf(), parameters: { a: [] } },
      /parameter "a" is neither/,
      "a list for a parameter",
    ],
  ];
  for (const [value, says, why] of refused) {
    it(`refuses ${why}`, () => {
      assert.throws(() => answer(value), { code: "not-implemented", message: says });
    });
  }
});
