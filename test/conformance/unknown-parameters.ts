import { infer, inferenceOf } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Parameters that a server does not know are no fault.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    inferenceOf(await infer(target, { parameters: { no_such_parameter: 1, another: "x" } }));
  },
};
