import { assertError, infer } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A shape of another rank than the model takes is 400.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const inputs = target.request.inputs.map((each) => ({ ...each, shape: [...each.shape, 1, 1] }));
    assertError(await infer(target, { inputs }), 400);
  },
};
