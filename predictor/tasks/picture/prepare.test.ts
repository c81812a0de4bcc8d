import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { floatsOf } from "../tensors.ts";
import { preparePicture } from "./prepare.ts";

const picture = { width: 2, height: 1, data: Uint8Array.of(0, 128, 255, 10, 20, 30) };
const config = { do_resize: false, do_normalize: false };
const name = "pixel_values";

describe("a picture as the model's input", () => {
  it("is a plane of numbers per channel", () => {
    const { datatype, shape, data } = preparePicture(picture, config, { name, datatype: "FP32" });
    assert.deepEqual([datatype, shape], ["FP32", [1, 3, 1, 2]]);
    const expected = [0, 10, 128, 20, 255, 30].map((byte) =>
      Math.fround(byte * Math.fround(1 / 255)),
    );
    const found = new Float32Array(data.buffer);
    for (const [index, value] of expected.entries()) {
      assert(Math.abs((found[index] ?? 0) - value) < 1e-7, `${index}`);
    }
  });

  for (const [datatype, error] of [
    ["FP16", 2 ** -12],
    ["BF16", 2 ** -9],
  ] as const) {
    it(`is in half precision where the graph is: ${datatype}`, () => {
      const whole = preparePicture(picture, config, { name, datatype: "FP32" });
      const half = preparePicture(picture, config, { name, datatype });
      assert.deepEqual([half.datatype, half.shape], [datatype, [1, 3, 1, 2]]);
      assert.equal(half.data.byteLength, whole.data.byteLength / 2);
      const [exact, rounded] = [floatsOf(whole), floatsOf(half)];
      for (let index = 0; index < exact.length; index++) {
        assert(Math.abs((exact[index] ?? 0) - (rounded[index] ?? 0)) <= error, `${index}`);
      }
    });
  }
});
