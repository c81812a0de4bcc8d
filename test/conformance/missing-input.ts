import { assertError, infer } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A request without an input is 400.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    assertError(await infer(target, { inputs: target.request.inputs.slice(1) }), 400);
  },
};
