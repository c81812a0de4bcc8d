import assert from "node:assert/strict";
import { infer } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "What has no value is left out of an answer, not null.",
  source: "Open Inference Protocol v2, REST: optional fields; Triton",
  check: async (target) => {
    const { json } = await infer(target, { id: "a-1" });
    const nulls = Object.entries(json as object).filter(([, value]) => value === null);
    assert.deepEqual(nulls, []);
  },
};
