import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { irisPath, TestPredictor } from "../testing/test-predictor.ts";

const flower = {
  inputs: [{ name: "input", datatype: "FP32", shape: [1, 4], data: [5.1, 3.5, 1.4, 0.2] }],
};

// No machine of the tests has the device, nor this package its libraries: the fall-back is shown.
describe("a predictor that wants an accelerator which is not there", () => {
  let predictor: TestPredictor;
  before(async () => {
    const wanted = { ACCELERATOR: "nvidia" };
    predictor = await TestPredictor.serving({
      STORAGE_URI: irisPath,
      MODEL_NAME: "iris",
      ...wanted,
    });
  });
  after(async () => predictor[Symbol.asyncDispose]());

  it("serves on the CPU", async () => {
    assert.equal((await predictor.post("/v2/models/iris/infer", flower)).status, 200);
  });

  it("says so in a warning, with the reason", () => {
    const warnings = predictor.log.filter(({ message }) => message === "accelerator not in use");
    assert.equal(warnings.length, 1);
    const { wanted, provider, notes } = warnings[0] as unknown as Record<string, unknown>;
    assert.deepEqual([wanted, provider], ["cuda", "cpu"]);
    assert.match(String(notes), /runs on the CPU, not on cuda: .+/);
  });

  it("says so in a metric", async () => {
    const metric = 'pilotlight_execution_provider{model="iris",version="1",provider="cpu"}';
    assert.equal(await predictor.metric(metric), 1);
  });
});
