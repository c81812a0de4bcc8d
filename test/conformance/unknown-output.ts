import { assertError, infer } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "An output that the model lacks is 400.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    assertError(await infer(target, { outputs: [{ name: "no-such-output" }] }), 400);
  },
};
