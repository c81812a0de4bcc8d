import { assertError, infer } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Another datatype than the model takes is 400.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const inputs = target.request.inputs.map((each) => ({
      ...each,
      datatype: each.datatype === "FP64" ? "FP32" : "FP64",
      data: each.data.map(() => 1),
    }));
    assertError(await infer(target, { inputs }), 400);
  },
};
