import assert from "node:assert/strict";
import { infer, inferenceOf } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "The id of a request is the id of its answer.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    assert.equal(inferenceOf(await infer(target, { id: "a-1" })).id, "a-1");
  },
};
