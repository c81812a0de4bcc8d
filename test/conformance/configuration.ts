import assert from "node:assert/strict";
import { ask, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "The model says how it is batched.",
  source: "Model configuration extension",
  check: async (target) => {
    const { status, json } = await ask(target, modelPath(target, "/config"));
    assert.equal(status, 200, `status ${status}`);
    const { max_batch_size, input } = json as { max_batch_size: number; input: unknown[] };
    assert.equal(typeof max_batch_size, "number");
    assert.equal(input.length, target.request.inputs.length);
  },
};
