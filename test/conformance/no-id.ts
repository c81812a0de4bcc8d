import assert from "node:assert/strict";
import { infer, inferenceOf } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A request without an id is answered without one.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { id } = inferenceOf(await infer(target));
    assert.equal(id, undefined, `the answer has the id ${id}`);
  },
};
