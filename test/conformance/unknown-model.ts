import { assertError, post } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A model that is not there is 404.",
  source: "Open Inference Protocol v2, REST; Triton, KServe, MLServer",
  check: async (target) => {
    const path = "/v2/models/no-such-model/infer";
    assertError(await post(target, path, target.request), 404);
  },
};
