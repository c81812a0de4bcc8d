import assert from "node:assert/strict";
import { infer, inferenceOf } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "An inference is answered with tensors: name, datatype, shape and as many elements.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { model_name, outputs } = inferenceOf(await infer(target));
    assert.equal(model_name, target.model);
    assert(outputs.length > 0, "no output");
    for (const { name, datatype, shape, data } of outputs) {
      assert.equal(typeof name, "string");
      assert.equal(typeof datatype, "string");
      const elements = shape.reduce((product, size) => product * size, 1);
      assert.equal(data.flat(Infinity).length, elements, `${name} has not what its shape says`);
    }
  },
};
