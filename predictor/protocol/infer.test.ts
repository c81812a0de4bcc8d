import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { ServingError } from "../errors.ts";
import { datatypes, isDatatype } from "./datatypes.ts";
import type { Datatype } from "./datatypes.ts";
import { decodeInfer, encodeInfer } from "./infer.ts";
import { schedulingOf } from "./parameters.ts";
import { elementCount, numbersOf, packStrings, viewOf } from "./tensor.ts";
import type { Bytes, Signature, Tensor } from "./tensor.ts";

const signature: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2], dimensionNames: ["batch", ""] }],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1], dimensionNames: ["batch"] },
    { name: "z", datatype: "INT64", shape: [-1], dimensionNames: ["batch"] },
  ],
};

const x = { name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] };

function taking(datatype: Datatype, shape: number[] = [-1]): Signature {
  const dimensionNames = shape.map(() => "");
  return { inputs: [{ name: "x", datatype, shape, dimensionNames }], outputs: signature.outputs };
}

function decodeOne(datatype: Datatype, data: unknown, shape: unknown = [1]): Tensor {
  const body = JSON.stringify({ inputs: [{ name: "x", datatype, shape, data }] });
  const [tensor] = decodeInfer(Buffer.from(body), taking(datatype)).inputs;
  assert(tensor);
  return tensor;
}

function refuses(body: string | Uint8Array, pattern: RegExp, of: Signature = signature): void {
  assert.throws(
    () => decodeInfer(Buffer.from(body), of),
    (error: unknown) => {
      assert(error instanceof ServingError, String(error));
      assert.equal(error.code, "invalid");
      assert.match(error.message, pattern);
      assert(error.message.length < 400, "an error must not echo megabytes");
      return true;
    },
  );
}

const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;

describe("bodies that are no inference requests", () => {
  const rows: { why: string; body: string | Uint8Array; says: RegExp }[] = [
    { why: "nothing at all", body: "", says: /empty/ },
    { why: "an object without inputs", body: "{}", says: /inputs is not an array/ },
    { why: "an array", body: "[]", says: /not a JSON object/ },
    { why: "null", body: "null", says: /not a JSON object/ },
    { why: "a string", body: '"x"', says: /not a JSON object/ },
    { why: "a number", body: "123", says: /not a JSON object/ },
    { why: "invalid UTF-8", body: Uint8Array.of(0x7b, 0xff, 0x7d), says: /UTF-8/ },
    {
      why: "a byte order mark",
      body: `\uFEFF${JSON.stringify({ inputs: [x] })}`,
      says: /not JSON/,
    },
    { why: "trailing garbage", body: `${JSON.stringify({ inputs: [x] })}x`, says: /not JSON/ },
    { why: "two documents", body: "{}{}", says: /not JSON at position 2/ },
    { why: "NaN is no JSON", body: '{"inputs":[{"data":[NaN]}]}', says: /not JSON/ },
    { why: "Infinity is no JSON", body: '{"inputs":[{"data":[Infinity]}]}', says: /not JSON/ },
    { why: "deep nesting", body: `${"[".repeat(1e5)}${"]".repeat(1e5)}`, says: /JSON/ },
    {
      why: "deep data",
      body: `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":${"[".repeat(1e5)}${"]".repeat(1e5)}}]}`,
      says: /data|JSON/,
    },
    {
      why: "a million keys",
      body: `{${Array.from({ length: 1e6 }, (_, i) => `"${i}":0`).join()}}`,
      says: /inputs/,
    },
    { why: "a million inputs", body: `{"inputs":[${"{},".repeat(999_999)}{}]}`, says: /no name/ },
    { why: "a polluted prototype", body: '{"__proto__":{"inputs":[]}}', says: /inputs/ },
    { why: "id as number", body: '{"id":1,"inputs":[]}', says: /id is not a string/ },
    {
      why: "a megabyte of id",
      body: JSON.stringify({ id: "i".repeat(1e6) }),
      says: /id is longer/,
    },
    { why: "parameters as list", body: '{"parameters":[],"inputs":[]}', says: /parameters/ },
    {
      why: "a deep datatype",
      body: `{"inputs":[{"name":"x","shape":[1,2],"datatype":${deep}}]}`,
      says: /\[\[\[…\]\]\] is no datatype/,
    },
    {
      why: "a deep dimension",
      body: `{"inputs":[{"name":"x","datatype":"FP32","shape":[${deep},2]}]}`,
      says: /\[\[\[…\]\]\] in shape is no whole number/,
    },
    {
      why: "a deep element",
      body: `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,{"a":${deep}}]}]}`,
      says: /element 1 is \{"a":\[\[…\]\]\}, no FP32/,
    },
  ];
  for (const { why, body, says } of rows) it(why, () => refuses(body, says));
});

describe("inputs that don't fit the model", () => {
  const rows: { why: string; inputs: unknown; says: RegExp }[] = [
    { why: "none", inputs: [], says: /"x" is missing/ },
    {
      why: "an unknown one",
      inputs: [x, { ...x, name: "w" }],
      says: /no input "w"; it has \["x"\]/,
    },
    { why: "one named like a method", inputs: [{ ...x, name: "__proto__" }], says: /no input/ },
    { why: "one twice", inputs: [x, x], says: /given twice/ },
    { why: "null", inputs: [null], says: /not an object/ },
    { why: "another datatype", inputs: [{ ...x, datatype: "FP64" }], says: /takes FP32/ },
    { why: "a lower-case datatype", inputs: [{ ...x, datatype: "fp32" }], says: /no datatype/ },
    {
      why: "a datatype that is a method",
      inputs: [{ ...x, datatype: "toString" }],
      says: /no datatype/,
    },
    { why: "a lower rank", inputs: [{ ...x, shape: [2] }], says: /takes \[-1,2\]/ },
    { why: "another fixed dimension", inputs: [{ ...x, shape: [1, 3] }], says: /takes \[-1,2\]/ },
    { why: "rank 10000", inputs: [{ ...x, shape: Array(10_000).fill(1) }], says: /10000 dim/ },
    { why: "no shape", inputs: [{ ...x, shape: undefined }], says: /shape is not an array/ },
    { why: "dimension -1", inputs: [{ ...x, shape: [-1, 2] }], says: /-1 in shape/ },
    {
      why: "data for dimension 0",
      inputs: [{ ...x, shape: [0, 2], data: [1] }],
      says: /holds 0 elements, data has 1/,
    },
    {
      why: "another datatype",
      inputs: [{ ...x, datatype: "BF16" }],
      says: /is BF16, the model takes/,
    },
    { why: "dimension 1.5", inputs: [{ ...x, shape: [1.5, 2] }], says: /1.5 in shape/ },
    { why: "a dimension as text", inputs: [{ ...x, shape: ["1", 2] }], says: /"1" in shape/ },
    { why: "2^31 rows", inputs: [{ ...x, shape: [2 ** 31, 2] }], says: /4294967296 elements/ },
    { why: "2^53 rows", inputs: [{ ...x, shape: [2 ** 53, 2] }], says: /in shape/ },
    { why: "a product beyond 2^53", inputs: [{ ...x, shape: [2 ** 52 + 1, 2] }], says: /Infinity/ },
    {
      why: "too few elements",
      inputs: [{ ...x, data: [1] }],
      says: /holds 2 elements, data has 1/,
    },
    { why: "too many elements", inputs: [{ ...x, data: [1, 2, 3] }], says: /data has 3/ },
    { why: "no data", inputs: [{ ...x, data: undefined }], says: /data is not an array/ },
    {
      why: "uneven rows",
      inputs: [{ ...x, shape: [2, 2], data: [[1, 2], [3]] }],
      says: /dimension 1/,
    },
    { why: "half nested", inputs: [{ ...x, shape: [2, 2], data: [[1, 2], 3] }], says: /unevenly/ },
    { why: "nested too deep", inputs: [{ ...x, data: [[[1], [2]]] }], says: /no FP32/ },
    { why: "flat, then nested", inputs: [{ ...x, data: [1, [2]] }], says: /element 1/ },
    { why: "binary data", inputs: [{ ...x, parameters: { binary_data_size: 8 } }], says: /binary/ },
  ];
  for (const { why, inputs, says } of rows) {
    it(why, () => refuses(JSON.stringify({ inputs }), says));
  }
});

describe("requested outputs", () => {
  const ask = (outputs: unknown): string => JSON.stringify({ inputs: [x], outputs });
  it("are all of them by default, in the model's order", () => {
    assert.deepEqual(decodeInfer(Buffer.from(ask(undefined)), signature).outputs, ["y", "z"]);
    assert.deepEqual(decodeInfer(Buffer.from(ask([])), signature).outputs, ["y", "z"]);
  });
  it("come in the order asked for", () => {
    const { outputs } = decodeInfer(Buffer.from(ask([{ name: "z" }, { name: "y" }])), signature);
    assert.deepEqual(outputs, ["z", "y"]);
  });
  it("must exist, once", () => {
    refuses(ask([{ name: "w" }]), /no output "w"/);
    refuses(ask([{ name: "y" }, { name: "y" }]), /asked for twice/);
    refuses(ask("y"), /outputs is not an array/);
    refuses(ask(Array.from({ length: 10_000 }, () => ({ name: "y" }))), /asked for twice/);
  });
});

describe("elements", () => {
  const refused: [Datatype, unknown, string][] = [
    ["BOOL", 2, "only 0 and 1 are truth values"],
    ["BOOL", "true", "a string"],
    ["UINT8", 300, "too large"],
    ["UINT8", -1, "too small"],
    ["INT8", 128, "too large"],
    ["INT32", 1.5, "no whole number"],
    ["INT32", "1", "a string"],
    ["INT64", "9223372036854775808", "a string"],
    ["FP16", 65_520, "rounds to infinity"],
    ["BF16", 3.4e38, "rounds to infinity"],
    ["FP32", 3.5e38, "rounds to infinity"],
    ["FP32", null, "null is no number"],
    ["FP32", true, "a truth value"],
    ["BYTES", 1, "a number"],
  ];
  for (const [datatype, value, why] of refused) {
    it(`${JSON.stringify(value)} is no ${datatype}: ${why}`, () => {
      assert.throws(() => decodeOne(datatype, [value]), /element 0 is/);
    });
  }
  it("1e400 is no number of any type", () => {
    for (const datatype of ["FP64", "FP32", "INT64"] as const) {
      const body = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[1],"data":[1e400]}]}`;
      refuses(body, /element 0 is/, taking(datatype));
    }
  });
  const longs: [Datatype, string, bigint | undefined][] = [
    ["INT64", "9223372036854775807", 2n ** 63n - 1n],
    ["INT64", "-9223372036854775808", -(2n ** 63n)],
    ["INT64", "9223372036854775808", undefined],
    ["INT64", "9007199254740993", 2n ** 53n + 1n],
    ["INT64", "-1", -1n],
    ["INT64", "-2147483648", -2_147_483_648n],
    ["INT64", "2147483648", 2_147_483_648n],
    ["INT64", "-2147483649", -2_147_483_649n],
    ["UINT64", "18446744073709551615", 2n ** 64n - 1n],
    ["UINT64", "18446744073709551616", undefined],
    ["UINT64", "-1", undefined],
    ["INT64", "1e18", 10n ** 18n],
    ["INT64", "9007199254740993.0", 2n ** 53n + 1n],
    ["INT64", "9007199254740993.5", undefined],
    ["UINT64", "1e19", 10n ** 19n],
    ["INT64", "1e19", undefined],
    ["INT64", "1e30", undefined],
    ["INT64", "1e400", undefined],
    ["UINT64", "12345678901234567890123456789012", undefined],
    ["UINT64", "4294967295", 4_294_967_295n],
  ];
  for (const [datatype, text, value] of longs) {
    it(`${datatype} ${text} is ${value === undefined ? "refused" : "exact"}`, () => {
      const body = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[1],"data":[${text}]}]}`;
      if (value === undefined) return refuses(body, /element 0 is/, taking(datatype));
      const [tensor] = decodeInfer(Buffer.from(body), taking(datatype)).inputs;
      assert(tensor);
      assert.equal(viewOf(tensor)[0], value);
      const answer = encodeInfer({ modelName: "m", outputs: [tensor] });
      assert(answer.includes(`"data":[${value}]`), answer);
    });
  }
  it("a scalar may come bare or in an array", () => {
    for (const data of [7, [7]]) {
      const body = { inputs: [{ name: "x", datatype: "INT64", shape: [], data }] };
      const [tensor] = decodeInfer(Buffer.from(JSON.stringify(body)), taking("INT64", [])).inputs;
      assert.deepEqual(tensor?.shape, []);
      assert.equal(tensor === undefined ? 0n : viewOf(tensor)[0], 7n);
    }
  });
  it("the last of duplicate keys wins", () => {
    const body =
      '{"inputs":[],"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}';
    assert.equal(decodeInfer(Buffer.from(body), signature).inputs.length, 1);
  });
});

/** A tensor of any datatype, with values that JSON can carry. */
const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    datatype: fc.constantFrom(...Object.keys(datatypes).filter(isDatatype)),
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  })
  .chain(({ datatype, shape }) =>
    elementsOf(datatype, elementCount(shape)).map((data) => ({ name: "x", datatype, shape, data })),
  );

function elementsOf(datatype: Datatype, count: number): fc.Arbitrary<Bytes> {
  const { kind, bytes } = datatypes[datatype];
  const lengths = { minLength: count, maxLength: count };
  if (kind === "string") return fc.array(fc.string({ unit: "grapheme" }), lengths).map(packStrings);
  if (kind === "bool") return fc.array(fc.integer({ min: 0, max: 1 }), lengths).map(bytesOf);
  const size = { minLength: count * bytes, maxLength: count * bytes };
  return fc
    .uint8Array(size)
    .map((raw) => bytesOf([...raw]))
    .filter((data) => kind !== "float" || isFinite({ datatype, data }));
}

const bytesOf = (values: number[]): Bytes => Uint8Array.from(values);
const isFinite = (tensor: { datatype: Datatype; data: Bytes }): boolean =>
  Array.from(numbersOf(tensor), Number).every((each) => Number.isFinite(each));

function nest(values: unknown[], shape: readonly number[]): unknown[] {
  let level = values;
  for (const dimension of shape.slice(1).toReversed()) {
    const rows = [];
    for (let at = 0; at < level.length; at += dimension) rows.push(level.slice(at, at + dimension));
    level = rows;
  }
  return level;
}

describe("encode and decode", () => {
  const signatureOf = ({ datatype, shape }: Tensor): Signature =>
    taking(
      datatype,
      shape.map(() => -1),
    );

  it("what was encoded decodes to the same bytes", () => {
    fc.assert(
      fc.property(anyTensor, (tensor) => {
        const text = encodeInfer({ modelName: "m", id: "7", outputs: [tensor] });
        const request = text.replace('"outputs":', '"inputs":');
        const { id, inputs } = decodeInfer(Buffer.from(request), signatureOf(tensor));
        assert.equal(id, "7");
        assert.deepEqual(inputs, [tensor]);
      }),
    );
  });

  it("flat and nested data are the same", () => {
    fc.assert(
      fc.property(anyTensor, (tensor) => {
        const text = encodeInfer({ modelName: "m", outputs: [tensor] });
        const answer = JSON.parse(text) as { outputs: { data: unknown[] }[] };
        const data = nest(answer.outputs[0]?.data ?? [], tensor.shape);
        // Only integers that JSON.parse keeps can be nested here and remain what they were.
        fc.pre(!JSON.stringify(data).match(/\d{16}/) || datatypes[tensor.datatype].kind !== "long");
        fc.pre(!text.includes("-0"));
        const { name, datatype, shape } = tensor;
        const body = JSON.stringify({ inputs: [{ name, datatype, shape, data }] });
        assert.deepEqual(decodeInfer(Buffer.from(body), signatureOf(tensor)).inputs, [tensor]);
      }),
    );
  });

  it("NaN and the infinities become null", () => {
    const data = new Uint8Array(Float32Array.of(Number.NaN, 1 / 0, -1 / 0, -0, 1).buffer);
    const tensor = { name: "y", datatype: "FP32", shape: [5], data } as const;
    const text = encodeInfer({ modelName: "m", modelVersion: "3", id: 'a"b', outputs: [tensor] });
    assert.equal(
      text,
      '{"model_name":"m","model_version":"3","id":"a\\"b","outputs":' +
        '[{"name":"y","datatype":"FP32","shape":[5],"data":[null,null,null,-0,1]}]}',
    );
  });
});

describe("texts that a graph would not see whole", () => {
  const json = (text: string): string =>
    `{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["${text}"]}]}`;
  const binary = (text: string, of: Signature): Tensor | undefined => {
    const data = packStrings([text]);
    const parameters = { binary_data_size: data.byteLength };
    const input = { name: "x", datatype: "BYTES", shape: [1], parameters };
    const head = Buffer.from(JSON.stringify({ inputs: [input] }));
    return decodeInfer(Buffer.concat([head, data]), of, head.byteLength).inputs[0];
  };
  const ofTask: Signature = {
    ...taking("BYTES"),
    inputs: [{ name: "x", datatype: "BYTES", shape: [-1], dimensionNames: [""], elements: "text" }],
  };

  it("are refused: onnxruntime's Node binding would cut them at U+0000", () => {
    refuses(json(String.raw`a\u0000b`), /element 0 holds U\+0000/, taking("BYTES"));
    assert.throws(() => binary("a\0b", taking("BYTES")), /element 0 holds U\+0000/);
  });
  it("are refused when they are no texts", () => {
    refuses(json(String.raw`a\ud800`), /half of a surrogate pair/, taking("BYTES"));
    refuses(json(String.raw`a\ud800`), /half of a surrogate pair/, ofTask);
  });
  it("are a task's to read whole", () => {
    const expected = packStrings(["a\0b"]);
    assert.deepEqual(binary("a\0b", ofTask)?.data, Buffer.from(expected));
    const text = String.raw`a\u0000b`;
    assert.deepEqual(decodeInfer(Buffer.from(json(text)), ofTask).inputs[0]?.data, expected);
  });
});

describe("null", () => {
  it("is absent, wherever something may be absent", () => {
    const flag = { binary_data_output: null, priority: null, timeout: null };
    const nulls = {
      id: null,
      parameters: flag,
      inputs: [{ ...x, parameters: { binary_data_size: null } }],
      outputs: [{ name: "y", parameters: { binary_data: null } }],
    };
    const decoded = decodeInfer(Buffer.from(JSON.stringify(nulls)), signature);
    const { parameters, ...rest } = decoded;
    const plain = { inputs: [x], outputs: [{ name: "y" }] };
    assert.deepEqual(rest, decodeInfer(Buffer.from(JSON.stringify(plain)), signature));
    assert.deepEqual(schedulingOf(parameters), {});
  });
});
