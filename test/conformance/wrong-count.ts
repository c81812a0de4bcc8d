import { assertError, infer } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Fewer elements than the shape says is 400.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const inputs = target.request.inputs.map((each) => ({ ...each, data: each.data.slice(1) }));
    assertError(await infer(target, { inputs }), 400);
  },
};
