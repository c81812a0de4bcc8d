import assert from "node:assert/strict";
import { ask, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A model that serves is ready.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { status } = await ask(target, modelPath(target, "/ready"));
    assert.equal(status, 200);
  },
};
