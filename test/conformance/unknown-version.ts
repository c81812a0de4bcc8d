import { assertError, modelPath, post } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A version that is not there is 404.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const path = modelPath(target, "/versions/987654321/infer");
    assertError(await post(target, path, target.request), 404);
  },
};
