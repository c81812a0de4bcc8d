import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { decodeInferMessage } from "./grpc-infer.ts";
import { methods } from "./grpc-messages.ts";
import type { Datatype } from "./datatypes.ts";
import { decodeMessage, encodeMessage } from "./protobuf.ts";
import type { Message } from "./protobuf.ts";
import { packStrings } from "./tensor.ts";
import type { Bytes } from "./tensor.ts";

const request = methods.ModelInfer.request;
const bytesOf = (view: ArrayBufferView<ArrayBuffer>): Bytes =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const wire = (message: Message): Bytes =>
  new Uint8Array(Buffer.concat(encodeMessage(request, message)));

function decodeOne(datatype: Datatype, contents: Message): Bytes | undefined {
  const spec = { name: "x", datatype, shape: [-1], dimensionNames: ["n"] };
  const inputs = [{ name: "x", datatype, shape: [2n], contents }];
  const message = decodeMessage(request, wire({ model_name: "m", inputs }));
  return decodeInferMessage(message, { inputs: [spec], outputs: [] }).inputs[0]?.data;
}

describe("typed contents", () => {
  const rows: [Datatype, Message, Bytes][] = [
    ["BOOL", { bool_contents: [true, false] }, Uint8Array.of(1, 0)],
    ["UINT8", { uint_contents: [255, 0] }, Uint8Array.of(255, 0)],
    ["UINT32", { uint_contents: [2 ** 32 - 1, 1] }, bytesOf(Uint32Array.of(2 ** 32 - 1, 1))],
    [
      "UINT64",
      { uint64_contents: [2n ** 64n - 1n, 1n] },
      bytesOf(BigUint64Array.of(2n ** 64n - 1n, 1n)),
    ],
    ["INT8", { int_contents: [-128, 127] }, bytesOf(Int8Array.of(-128, 127))],
    ["INT32", { int_contents: [-(2 ** 31), 1] }, bytesOf(Int32Array.of(-(2 ** 31), 1))],
    [
      "INT64",
      { int64_contents: [-(2n ** 63n), 2n ** 53n + 1n] },
      bytesOf(BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n)),
    ],
    [
      "FP32",
      { fp32_contents: bytesOf(Float32Array.of(1.5, -0)) },
      bytesOf(Float32Array.of(1.5, -0)),
    ],
    ["FP64", { fp64_contents: bytesOf(Float64Array.of(0.1, 2)) }, bytesOf(Float64Array.of(0.1, 2))],
    ["BYTES", { bytes_contents: [Buffer.from("é"), Buffer.alloc(0)] }, packStrings(["é", ""])],
  ];
  for (const [datatype, contents, data] of rows) {
    it(`of ${datatype} are its bytes`, () => {
      assert.deepEqual(Buffer.from(decodeOne(datatype, contents) ?? []), Buffer.from(data));
    });
  }
  const refused: [Datatype, Message, RegExp][] = [
    ["INT8", { int_contents: [128, 0] }, /element 0 is 128, no INT8/],
    ["UINT8", { uint_contents: [1] }, /data has 1/],
    ["FP16", {}, /no field for FP16/],
    ["FP64", { fp32_contents: bytesOf(Float32Array.of(1)) }, /elements are in fp64_contents/],
    ["BYTES", { bytes_contents: [Uint8Array.of(255), Buffer.alloc(0)] }, /not valid UTF-8/],
    ["BYTES", { bytes_contents: [Buffer.from("a\0b"), Buffer.alloc(0)] }, /holds U\+0000/],
  ];
  for (const [datatype, contents, says] of refused) {
    it(`of ${datatype} are refused: ${says.source}`, () => {
      assert.throws(() => decodeOne(datatype, contents), says);
    });
  }
});

describe("raw contents", () => {
  it("of a picture are any bytes", () => {
    const spec = { name: "x", datatype: "BYTES", shape: [-1], dimensionNames: [""] } as const;
    const raw = Uint8Array.of(2, 0, 0, 0, 0xff, 0);
    const inputs = [{ name: "x", datatype: "BYTES", shape: [1n] }];
    const bytes = wire({ model_name: "m", inputs, raw_input_contents: [raw] });
    const decode = (elements: "picture" | "text"): Bytes | undefined => {
      const signature = { inputs: [{ ...spec, elements }], outputs: [] };
      return decodeInferMessage(decodeMessage(request, bytes), signature).inputs[0]?.data;
    };
    assert.deepEqual(decode("picture"), raw);
    assert.throws(() => decode("text"), /not valid UTF-8/);
  });
});

describe("bytes that are no message", () => {
  const rows: [why: string, bytes: number[], says: RegExp][] = [
    ["a length beyond the end", [0x0a, 5, 97], /no valid protocol buffer/],
    ["a varint without an end", [0x0a, ...Array<number>(11).fill(255)], /no valid protocol buffer/],
    ["a cut tag", [0x80], /no valid protocol buffer/],
    ["a group", [0x0b], /no valid protocol buffer/],
    ["a string that is no text", [0x0a, 1, 255], /not valid UTF-8/],
    ["a number where a string is", [0x08, 1], /no valid protocol buffer/],
  ];
  for (const [why, bytes, says] of rows) {
    it(why, () => assert.throws(() => decodeMessage(request, Uint8Array.from(bytes)), says));
  }
  it("unknown fields are none of our business", () => {
    assert.deepEqual(decodeMessage(request, Uint8Array.of(0xf8, 7, 1, 0x0a, 1, 109)), {
      model_name: "m",
    });
  });
});
