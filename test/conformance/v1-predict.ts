import assert from "node:assert/strict";
import { nest } from "./support/nest.ts";
import { post } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "KServe v1: a row per instance, a prediction per row.",
  source: "KServe v1",
  check: async (target) => {
    const [input] = target.request.inputs;
    assert(input !== undefined && target.request.inputs.length === 1, "a model with one input");
    const instances = nest(input);
    const path = `/v1/models/${encodeURIComponent(target.model)}:predict`;
    const { status, json } = await post(target, path, { instances });
    assert.equal(status, 200, `status ${status}`);
    const { predictions } = json as { predictions: unknown[] };
    assert.equal(predictions.length, instances.length);
  },
};
