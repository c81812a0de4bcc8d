import { ask, inferenceOf, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A JSON body needs no Content-Type.",
  source: "tritonclient sends none",
  check: async (target) => {
    const body = Buffer.from(JSON.stringify(target.request));
    inferenceOf(await ask(target, modelPath(target, "/infer"), { method: "POST", body }));
  },
};
