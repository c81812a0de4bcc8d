import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { createMetrics } from "./metrics.ts";

describe("a model's metrics", () => {
  it("have Triton's and KServe's names for each part of a request", async () => {
    const metrics = createMetrics();
    const model = metrics.forModel("iris", "1");
    model.succeeded({ decodeMs: 1, predictMs: 5, encodeMs: 2 });
    model.succeeded({ decodeMs: 2, predictMs: 5, encodeMs: 3 });
    const text = await metrics.render();
    for (const line of [
      'nv_inference_compute_input_duration_us{model="iris",version="1"} 3000',
      'nv_inference_compute_output_duration_us{model="iris",version="1"} 5000',
      'nv_inference_request_duration_us{model="iris",version="1"} 18000',
      'request_preprocess_seconds_count{model_name="iris"} 2',
      'request_explain_seconds_count{model_name="iris"} 0',
    ]) {
      assert(text.includes(`\n${line}\n`), `${line} is not in ${text}`);
    }
  });

  it("have one execution provider at a time", async () => {
    const metrics = createMetrics();
    // The last one is of the same model, loaded again.
    metrics.forModel("iris", "1").placed("cuda");
    metrics.forModel("iris", "1").placed("cpu");
    const text = await metrics.render();
    for (const [provider, value] of [
      ["cuda", 0],
      ["cpu", 1],
    ] as const) {
      const of = `model="iris",version="1",provider="${provider}"`;
      assert(text.includes(`\npilotlight_execution_provider{${of}} ${value}\n`), text);
    }
  });
});
