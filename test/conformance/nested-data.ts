import assert from "node:assert/strict";
import { nest } from "./support/nest.ts";
import { infer, inferenceOf } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Data nested like the shape is the same as flat data.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const nested = target.request.inputs.map((input) => ({ ...input, data: nest(input) }));
    const flat = inferenceOf(await infer(target));
    assert.deepEqual(inferenceOf(await infer(target, { inputs: nested })).outputs, flat.outputs);
  },
};
