import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "mocha";
import {
  curlOf,
  exampleOf,
  fieldOf,
  pictureTensor,
  pythonOf,
  tableOf,
  tensorOf,
  titleOf,
} from "./form.ts";
import type { Spec } from "./form.ts";

const spec = (datatype: string, shape: number[]): Spec => ({ name: "x", datatype, shape });

describe("the page's form", () => {
  it("asks for a picture where the shape is that of one in colour", () => {
    const picture = { kind: "image", layout: "NCHW", width: 320, height: 48 };
    assert.deepEqual(fieldOf(spec("FP32", [-1, 3, 48, 320])), picture);
    assert.deepEqual(fieldOf(spec("UINT8", [1, -1, -1, 3])), {
      kind: "image",
      layout: "NHWC",
      width: 224,
      height: 224,
    });
  });

  it("asks for text where the model takes strings, and for numbers elsewhere", () => {
    assert.equal(fieldOf(spec("BYTES", [-1])).kind, "text");
    assert.equal(fieldOf({ ...spec("BYTES", [-1]), name: "image" }).kind, "file");
    for (const shape of [[-1, 4], [1, 1, 28, 28], []]) {
      assert.equal(fieldOf(spec("FP32", shape)).kind, "numbers");
    }
  });

  it("starts with zeros of the least shape", () => {
    assert.equal(exampleOf(spec("FP32", [-1, 3])), "[[0,0,0]]");
    assert.equal(exampleOf(spec("BOOL", [])), "false");
  });

  it("takes nested lists as they are, and fits flat ones to the model", () => {
    const flowers = spec("FP32", [-1, 2]);
    assert.deepEqual(tensorOf(flowers, "[[1,2],[3,4],[5,6]]").shape, [3, 2]);
    const flat = tensorOf(flowers, "[1,2,3,4]");
    assert.deepEqual(
      [flat.shape, flat.data],
      [
        [2, 2],
        [1, 2, 3, 4],
      ],
    );
    assert.deepEqual(tensorOf(spec("INT64", []), "16000"), {
      name: "x",
      datatype: "INT64",
      shape: [],
      data: [16000],
    });
  });

  it("says what is wrong with numbers", () => {
    assert.throws(() => tensorOf(spec("FP32", [-1, 2]), "1, 2"), /x: write numbers as a JSON list/);
    assert.throws(() => tensorOf(spec("FP32", [-1, 2]), "[[1],[2,3]]"), /different lengths/);
  });

  it("takes a text whole, with its lines", () => {
    assert.deepEqual(tensorOf(spec("BYTES", [-1]), "one\ntwo"), {
      name: "x",
      datatype: "BYTES",
      shape: [1],
      data: ["one\ntwo"],
    });
    assert.deepEqual(tensorOf(spec("BYTES", [-1, 1]), "one").shape, [1, 1]);
  });

  it("lays a picture out as the model wants it", () => {
    const pixels = Uint8Array.of(255, 0, 51, 255, 0, 255, 102, 255);
    const sides = { kind: "image", width: 2, height: 1 } as const;
    const planes = pictureTensor(spec("FP32", []), { ...sides, layout: "NCHW" }, pixels, "0–1");
    assert.deepEqual(
      [planes.shape, planes.data],
      [
        [1, 3, 1, 2],
        [1, 0, 0, 1, 0.2, 0.4],
      ],
    );
    const mixed = pictureTensor(spec("UINT8", []), { ...sides, layout: "NHWC" }, pixels, "0–255");
    assert.deepEqual(
      [mixed.shape, mixed.data],
      [
        [1, 1, 2, 3],
        [255, 0, 51, 0, 255, 102],
      ],
    );
    const known = pictureTensor(spec("FP32", []), { ...sides, layout: "NHWC" }, pixels, "ImageNet");
    assert.deepEqual(known.data.slice(0, 2), [2.248908, -2.035714]);
  });

  it("shows outputs of a batch side by side", () => {
    const label = { name: "label", datatype: "INT64", shape: [2], data: [0, 2] };
    const scores = { name: "p", datatype: "FP32", shape: [2, 2], data: [0.25, 0.75, 1, 1 / 3] };
    assert.deepEqual(tableOf([label, scores]), {
      head: ["", "label", "p[0]", "p[1]"],
      rows: [
        ["0", "0", "0.25", "0.75"],
        ["1", "2", "1", "0.333333"],
      ],
    });
  });

  it("cuts what is too wide or too long for a table", () => {
    const wide = { name: "w", datatype: "FP32", shape: [1, 50], data: Array.from({ length: 50 }) };
    assert.equal(tableOf([wide]).head.at(-1), "w[19] …");
    const long = { name: "l", datatype: "FP32", shape: [500], data: Array.from({ length: 500 }) };
    assert.equal(tableOf([long]).rows.length, 100);
  });

  it("quotes for a shell, whatever the text holds", () => {
    const body = JSON.stringify({ text: `it's $HOME "and" \`more\`` });
    const line = curlOf("http://127.0.0.1:1", "m", body).replace(
      /^curl -X POST \S+ --data-binary /,
      "",
    );
    assert.equal(spawnSync("sh", ["-c", `printf %s ${line}`], { encoding: "utf8" }).stdout, body);
    assert.match(
      curlOf("http://h", "a b", "x".repeat(3000)),
      /models\/a%20b\/infer' --data-binary @request.json$/,
    );
    assert.match(pythonOf("http://h", "m", "x".repeat(3000)), /open\("request.json", "rb"\)/);
  });
});

describe("the title of the page", () => {
  for (const [models, title] of [
    [[], "Pilotlight"],
    [["iris"], "iris"],
    [["a", "b", "c"], "a, b, c"],
    [["a", "b", "c", "d"], "4 models"],
  ] as const) {
    it(`is ${title} for ${models.length} models`, () => assert.equal(titleOf(models), title));
  }
});
