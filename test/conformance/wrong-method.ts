import { ask, assertError, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A path with another method is 405.",
  source: "RFC 9110; Triton",
  check: async (target) => {
    assertError(await ask(target, modelPath(target, "/infer"), { method: "PUT", body: "{}" }), 405);
  },
};
