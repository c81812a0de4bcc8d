import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { field, inferRequestBytes, withContents } from "../grpc/testing/wire.ts";
import { decodeInferMessage, looseBytes } from "./grpc-infer.ts";
import { methods } from "./grpc-messages.ts";
import type { Datatype } from "./datatypes.ts";
import { decodeMessage } from "./protobuf.ts";
import { packStrings } from "./tensor.ts";
import type { Bytes, TensorSpec } from "./tensor.ts";

const request = methods.ModelInfer.request;
const bytesOf = (view: ArrayBufferView<ArrayBuffer>): Bytes =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const specOf = (datatype: Datatype): TensorSpec => {
  return { name: "x", datatype, shape: [-1], dimensionNames: ["n"] };
};
const decode = (bytes: Bytes, spec: TensorSpec): Bytes | undefined =>
  decodeInferMessage(bytes, () => ({ inputs: [spec], outputs: [] })).inputs[0]?.data;

function decodeOne(datatype: Datatype, contents: object, count = 2): Bytes | undefined {
  const inputs = [{ name: "x", datatype, shape: [count], contents }];
  return decode(inferRequestBytes({ model_name: "m", inputs }), specOf(datatype));
}

describe("typed contents", () => {
  const rows: [Datatype, object, Bytes][] = [
    ["BOOL", { bool_contents: [true, false] }, Uint8Array.of(1, 0)],
    ["UINT8", { uint_contents: [255, 0] }, Uint8Array.of(255, 0)],
    ["UINT32", { uint_contents: [2 ** 32 - 1, 1] }, bytesOf(Uint32Array.of(2 ** 32 - 1, 1))],
    [
      "UINT64",
      { uint64_contents: [`${2n ** 64n - 1n}`, "1"] },
      bytesOf(BigUint64Array.of(2n ** 64n - 1n, 1n)),
    ],
    ["INT8", { int_contents: [-128, 127] }, bytesOf(Int8Array.of(-128, 127))],
    ["INT32", { int_contents: [-(2 ** 31), 1] }, bytesOf(Int32Array.of(-(2 ** 31), 1))],
    [
      "INT64",
      { int64_contents: [`${-(2n ** 63n)}`, `${2n ** 53n + 1n}`] },
      bytesOf(BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n)),
    ],
    ["FP32", { fp32_contents: [1.5, -0] }, bytesOf(Float32Array.of(1.5, -0))],
    ["FP64", { fp64_contents: [0.1, 2] }, bytesOf(Float64Array.of(0.1, 2))],
    ["BYTES", { bytes_contents: [Buffer.from("é"), Buffer.alloc(0)] }, packStrings(["é", ""])],
  ];
  for (const [datatype, contents, data] of rows) {
    it(`of ${datatype} are its bytes`, () => {
      assert.deepEqual(Buffer.from(decodeOne(datatype, contents) ?? []), Buffer.from(data));
    });
  }
  const refused: [Datatype, object, RegExp][] = [
    ["INT8", { int_contents: [128, 0] }, /element 0 is 128, no INT8/],
    ["INT8", { int_contents: [0, -129] }, /element 1 is -129, no INT8/],
    ["UINT8", { uint_contents: [1] }, /shape \[2\] holds 2 elements, data has 1/],
    ["UINT16", { uint_contents: [0, 65_536] }, /element 1 is 65536, no UINT16/],
    ["FP16", {}, /no field for FP16/],
    ["FP64", { fp32_contents: [1] }, /elements are in fp64_contents/],
    ["BYTES", { bytes_contents: [Uint8Array.of(255), Buffer.alloc(0)] }, /not valid UTF-8/],
    ["BYTES", { bytes_contents: [Buffer.from("a\0b"), Buffer.alloc(0)] }, /holds U\+0000/],
  ];
  for (const [datatype, contents, says] of refused) {
    it(`of ${datatype} are refused: ${says.source}`, () => {
      assert.throws(() => decodeOne(datatype, contents), says);
    });
  }

  const wide: [Datatype, varint: number[], says: RegExp][] = [
    ["INT32", [128, 128, 128, 128, 8], /element 0 is 2147483648, no INT32/],
    ["UINT32", [128, 128, 128, 128, 16], /element 0 is 4294967296, no UINT32/],
    ["INT64", [...Array<number>(10).fill(128), 0], /no valid protocol buffer/],
    ["INT64", [128], /no valid protocol buffer/],
  ];
  for (const [datatype, varint, says] of wide) {
    it(`of ${datatype} can't be the varint ${varint.join(" ")}`, () => {
      const id = { INT32: 2, UINT32: 4, INT64: 3 }[datatype as "INT32" | "UINT32" | "INT64"];
      const bytes = withContents(datatype, 1, field(id, Uint8Array.from(varint)));
      assert.throws(() => decode(bytes, specOf(datatype)), says);
    });
  }

  it("may be given in several parts, packed or an element each", () => {
    const parts = [field(3, Uint8Array.of(1, 2)), Uint8Array.of(24, 3), field(3, Uint8Array.of(4))];
    const bytes = withContents("INT64", 4, Buffer.concat(parts));
    assert.deepEqual(decode(bytes, specOf("INT64")), bytesOf(BigInt64Array.of(1n, 2n, 3n, 4n)));
    const [one, two] = [bytesOf(Float32Array.of(0.5)), bytesOf(Float32Array.of(0.25, 2))];
    const floats = withContents(
      "FP32",
      3,
      Buffer.concat([[0x35], one, field(6, two)].map((each) => Buffer.from(each))),
    );
    assert.deepEqual(decode(floats, specOf("FP32")), bytesOf(Float32Array.of(0.5, 0.25, 2)));
  });

  it("cost no more than their bytes, a million of them with a field each", () => {
    const count = 1_000_000;
    const floats = Buffer.alloc(5 * count, Uint8Array.of(0x35, 0, 0, 0x80, 0x3f));
    const decoded = decode(withContents("FP32", count, floats), specOf("FP32"));
    assert.deepEqual(decoded, bytesOf(new Float32Array(count).fill(1)));
    const texts = Buffer.alloc(2 * count, Uint8Array.of(0x42, 0));
    assert.equal(decode(withContents("BYTES", count, texts), specOf("BYTES"))?.length, 4 * count);
  });
});

describe("what has to be looked at of typed contents", () => {
  const floats = field(6, new Uint8Array(400));
  const rows: [why: string, datatype: Datatype, contents: Uint8Array, bytes: number][] = [
    ["nothing of floats", "FP32", floats, 0],
    ["nothing of doubles in two parts", "FP64", Buffer.concat([field(7, floats), floats]), 0],
    ["all of integers", "INT64", field(3, new Uint8Array(9)), 11],
    ["all of text", "BYTES", field(8, Buffer.from("abc")), 5],
    ["all of floats with a field each", "FP32", Uint8Array.of(0x35, 0, 0, 0, 0), 5],
    ["all of floats in many parts", "FP32", Buffer.concat(Array(20).fill(floats)), 20 * 403],
  ];
  for (const [why, datatype, contents, bytes] of rows) {
    it(`is ${why}`, () => assert.equal(looseBytes(withContents(datatype, 1, contents)), bytes));
  }
});

describe("raw contents", () => {
  it("of a picture are any bytes", () => {
    const raw = Uint8Array.of(2, 0, 0, 0, 0xff, 0);
    const inputs = [{ name: "x", datatype: "BYTES", shape: [1] }];
    const bytes = inferRequestBytes({ model_name: "m", inputs, raw_input_contents: [raw] });
    assert.deepEqual(decode(bytes, { ...specOf("BYTES"), elements: "picture" }), raw);
    assert.throws(() => decode(bytes, { ...specOf("BYTES"), elements: "text" }), /not valid UTF-8/);
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
    ["contents that are no varints", [42, 4, 42, 2, 0x15, 0], /no valid protocol buffer/],
  ];
  for (const [why, bytes, says] of rows) {
    it(why, () => assert.throws(() => decodeMessage(request, Uint8Array.from(bytes)), says));
  }
  it("more values than there are in any request, known or not", () => {
    for (const tag of [0x32, 0x7a]) {
      const empty = Buffer.alloc(200_002, Uint8Array.of(tag, 0));
      const decoding = (): unknown => decodeMessage(request, new Uint8Array(empty));
      assert.throws(decoding, /more than 100000 values beside its tensors' elements/);
    }
    const shape = field(5, field(3, new Uint8Array(100_000)));
    assert.throws(() => decodeMessage(request, shape), /more than 100000 values/);
  });
  it("unknown fields are none of our business", () => {
    assert.deepEqual(decodeMessage(request, Uint8Array.of(0xf8, 7, 1, 0x0a, 1, 109)), {
      model_name: "m",
    });
  });
});
