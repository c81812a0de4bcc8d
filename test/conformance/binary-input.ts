import assert from "node:assert/strict";
import { infer, inferBinary, inferenceOf } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Tensors may come as bytes behind the JSON.",
  source: "Binary tensor data extension",
  check: async (target) => {
    const expected = inferenceOf(await infer(target, { id: "1" }));
    assert.deepEqual(inferenceOf(await inferBinary(target, { id: "1" })).outputs, expected.outputs);
  },
};
