import { assertError, infer } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "An input that the model lacks is 400.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const [input] = target.request.inputs;
    const inputs = [...target.request.inputs, { ...input, name: "no-such-input" }];
    assertError(await infer(target, { inputs }), 400);
  },
};
