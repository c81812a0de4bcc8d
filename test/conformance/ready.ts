import assert from "node:assert/strict";
import { ask } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A server that serves its models is ready.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    assert.equal((await ask(target, "/v2/health/ready")).status, 200);
  },
};
