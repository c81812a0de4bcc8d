import { assertError, post } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";
import { predictPath } from "./support/v1.ts";

export const behaviour: Behaviour = {
  says: "KServe v1: instances that are no list are 400.",
  source: "KServe v1",
  check: async (target) => {
    assertError(await post(target, predictPath(target), { instances: {} }), 400);
  },
};
