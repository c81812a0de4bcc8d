import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ServingError } from "../errors.ts";
import { decodePredict, encodePredict } from "./predict.ts";
import { packStrings, unpackStrings, viewOf } from "./tensor.ts";
import type { Bytes, Signature, Tensor, TensorSpec } from "./tensor.ts";

const spec = (name: string, datatype: Tensor["datatype"], shape: number[]): TensorSpec => ({
  name,
  datatype,
  shape,
  dimensionNames: shape.map(() => ""),
});

const one: Signature = {
  inputs: [spec("x", "FP32", [-1, 2])],
  outputs: [spec("y", "INT64", [-1])],
};
const two: Signature = {
  inputs: [spec("a", "INT64", [-1]), spec("b", "BYTES", [-1])],
  outputs: [spec("y", "INT64", [-1]), spec("p", "FP32", [-1, 2])],
};

const floats = (...values: number[]): Bytes => new Uint8Array(Float32Array.from(values).buffer);
const longs = (...values: bigint[]): Bytes => new Uint8Array(BigInt64Array.from(values).buffer);

describe("KServe v1 requests", () => {
  it("rows become one tensor", () => {
    const body = '{"instances":[[1,2],[3,4],[5,6]]}';
    const { inputs, rows } = decodePredict(Buffer.from(body), one);
    assert.equal(rows, 3);
    assert.deepEqual(inputs[0]?.shape, [3, 2]);
    assert.deepEqual(inputs[0]?.data, floats(1, 2, 3, 4, 5, 6));
  });
  it("rows of objects become one tensor per input", () => {
    const body = '{"instances":[{"a":1,"b":"x"},{"b":{"b64":"w6k="},"a":2}]}';
    const { inputs, rows } = decodePredict(Buffer.from(body), two);
    assert.equal(rows, 2);
    assert.deepEqual(inputs[0]?.data, longs(1n, 2n));
    assert.deepEqual(unpackStrings(inputs[1]?.data ?? packStrings([])), ["x", "é"]);
  });
  it("one input may be named, too", () => {
    const { inputs } = decodePredict(Buffer.from('{"instances":[{"x":[1,2]}]}'), one);
    assert.deepEqual(inputs[0]?.shape, [1, 2]);
  });
  it("columns are taken as they are", () => {
    for (const bad of ["1e30", "9007199254740993.5", "9".repeat(40)]) {
      const body = Buffer.from(`{"inputs":{"a":[${bad}],"b":["x"]}}`);
      assert.throws(() => decodePredict(body, two), { code: "invalid", message: /no INT64/ });
    }
    const nulls = Buffer.from(
      '{"signature_name":null,"instances":null,"inputs":{"a":[1],"b":["x"]}}',
    );
    assert.equal(decodePredict(nulls, two).rows, undefined);
    const named = decodePredict(Buffer.from('{"inputs":{"a":[9007199254740993],"b":["x"]}}'), two);
    assert.equal(named.rows, undefined);
    assert.equal(viewOf(named.inputs[0] ?? assert.fail())[0], 2n ** 53n + 1n);
    const bare = decodePredict(Buffer.from('{"inputs":[[1,2]]}'), one);
    assert.deepEqual(bare.inputs[0]?.data, floats(1, 2));
  });
});

describe("what is no KServe v1 request", () => {
  const rows: { why: string; body: string; of: Signature; says: RegExp }[] = [
    { why: "nothing", body: "{}", of: one, says: /Expected "instances" to be a list/ },
    {
      why: "no list",
      body: '{"instances":{}}',
      of: one,
      says: /Expected "instances" to be a list/,
    },
    {
      why: "a signature that is no name",
      body: '{"signature_name":1,"instances":[[1,2]]}',
      of: one,
      says: /signature_name/,
    },
    { why: "rows and columns", body: '{"instances":[1],"inputs":[1]}', of: one, says: /both/ },
    { why: "uneven rows", body: '{"instances":[[1,2],[3]]}', of: one, says: /dimension 1/ },
    { why: "mixed rows", body: '{"instances":[[1,2],{"x":[1,2]}]}', of: one, says: /unevenly/ },
    { why: "too wide rows", body: '{"instances":[[1,2,3]]}', of: one, says: /takes \[-1,2\]/ },
    { why: "too deep rows", body: '{"instances":[[[1],[2]]]}', of: one, says: /takes \[-1,2\]/ },
    { why: "an empty row", body: '{"instances":[[]]}', of: one, says: /\[1,0\]/ },
    { why: "a missing input", body: '{"instances":[{"a":1}]}', of: two, says: /"b" is missing/ },
    { why: "an unknown input", body: '{"instances":[{"a":1,"b":"","c":1}]}', of: two, says: /"c"/ },
    { why: "bare rows for two inputs", body: '{"instances":[1]}', of: two, says: /not an object/ },
    { why: "bare columns for two inputs", body: '{"inputs":[1]}', of: two, says: /not an object/ },
    { why: "a missing column", body: '{"inputs":{"a":[1]}}', of: two, says: /"b" is missing/ },
    {
      why: "an inherited name",
      body: '{"inputs":{"a":[1],"toString":[1]}}',
      of: two,
      says: /toString/,
    },
    { why: "no base64", body: '{"instances":[{"a":1,"b":{"b64":"%"}}]}', of: two, says: /base64/ },
    {
      why: "bytes that are no text",
      body: '{"instances":[{"a":1,"b":{"b64":"/w=="}}]}',
      of: two,
      says: /UTF-8/,
    },
  ];
  for (const { why, body, of, says } of rows) {
    it(why, () => {
      assert.throws(
        () => decodePredict(Buffer.from(body), of),
        (error: unknown) => error instanceof ServingError && says.test(error.message),
      );
    });
  }
});

describe("KServe v1 requests without a row", () => {
  const rows: { body: string; rows: number | undefined }[] = [
    { body: '{"instances":[]}', rows: 0 },
    { body: '{"inputs":[],"signature_name":"serving_default"}', rows: undefined },
  ];
  for (const { body, rows: count } of rows) {
    it(body, () => {
      const request = decodePredict(Buffer.from(body), one);
      assert.deepEqual([request.rows, request.inputs[0]?.shape], [count, [0, 2]]);
    });
  }
});

describe("KServe v1 answers", () => {
  const y: Tensor = { name: "y", datatype: "INT64", shape: [2], data: longs(1n, 2n) };
  const p: Tensor = { name: "p", datatype: "FP32", shape: [2, 2], data: floats(0, 1, 0.5, -2) };
  const s: Tensor = { name: "s", datatype: "BYTES", shape: [2], data: packStrings(["a,b", '"']) };
  const rows: { why: string; outputs: Tensor[]; rows: number | undefined; text: string }[] = [
    { why: "one output", outputs: [y], rows: 2, text: '{"predictions":[1,2]}' },
    { why: "one wide output", outputs: [p], rows: 2, text: '{"predictions":[[0,1],[0.5,-2]]}' },
    {
      why: "two outputs",
      outputs: [y, p],
      rows: 2,
      text: '{"predictions":[{"y":1,"p":[0,1]},{"y":2,"p":[0.5,-2]}]}',
    },
    {
      why: "no row",
      outputs: [{ ...p, shape: [0, 2], data: floats() }],
      rows: 0,
      text: '{"predictions":[]}',
    },
    {
      why: "rows of nothing",
      outputs: [{ ...p, shape: [2, 0], data: floats() }],
      rows: 2,
      text: '{"predictions":[[],[]]}',
    },
    { why: "strings with commas", outputs: [s], rows: 2, text: '{"predictions":["a,b","\\""]}' },
    { why: "columns, one", outputs: [p], rows: undefined, text: '{"outputs":[[0,1],[0.5,-2]]}' },
    {
      why: "columns, two",
      outputs: [y, p],
      rows: undefined,
      text: '{"outputs":{"y":[1,2],"p":[[0,1],[0.5,-2]]}}',
    },
  ];
  for (const { why, outputs, rows: count, text } of rows) {
    it(why, () => assert.equal(encodePredict(outputs, count), text));
  }
  it("an output without a row per instance is refused", () => {
    assert.throws(() => encodePredict([y], 3), /not one row per instance/);
  });
  it("a scalar output is a bare value", () => {
    const scalar: Tensor = { name: "y", datatype: "INT64", shape: [], data: longs(5n) };
    assert.equal(encodePredict([scalar], undefined), '{"outputs":5}');
  });
});
