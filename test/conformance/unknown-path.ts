import { ask, assertError } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A path that is nothing is 404 with an error object.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    assertError(await ask(target, "/v2/no-such-path"), 404);
  },
};
