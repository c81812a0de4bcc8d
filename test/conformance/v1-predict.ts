import assert from "node:assert/strict";
import { post } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";
import { instancesOf, predictPath } from "./support/v1.ts";

export const behaviour: Behaviour = {
  says: "KServe v1: a row per instance, a prediction per row.",
  source: "KServe v1",
  check: async (target) => {
    const instances = instancesOf(target);
    const { status, json } = await post(target, predictPath(target), { instances });
    assert.equal(status, 200, `status ${status}`);
    const { predictions } = json as { predictions: unknown[] };
    assert.equal(predictions.length, instances.length);
  },
};
