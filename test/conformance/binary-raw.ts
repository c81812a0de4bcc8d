import assert from "node:assert/strict";
import { ask, bytesOf, infer, inferenceOf, modelPath, splitBinary } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A model with one input takes its bytes alone, and answers in bytes.",
  source: "Binary tensor data extension: raw binary request",
  check: async (target) => {
    const [input] = target.request.inputs;
    assert(input !== undefined && target.request.inputs.length === 1, "a model with one input");
    const row = input.data.slice(0, input.data.length / (input.shape[0] ?? 1));
    const one = { ...input, shape: [1, ...input.shape.slice(1)], data: row };
    const { outputs } = inferenceOf(await infer(target, { inputs: [one] }));
    const answer = await ask(target, modelPath(target, "/infer"), {
      method: "POST",
      headers: { "inference-header-content-length": "0" },
      body: bytesOf(one),
    });
    assert.equal(answer.status, 200, `status ${answer.status}`);
    assert.deepEqual(splitBinary(answer).rest, Buffer.concat(outputs.map(bytesOf)));
  },
};
