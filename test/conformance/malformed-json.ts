import { ask, assertError, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A body that is no JSON is 400.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const path = modelPath(target, "/infer");
    const headers = { "content-type": "application/json" };
    assertError(await ask(target, path, { method: "POST", headers, body: '{"inputs":' }), 400);
  },
};
