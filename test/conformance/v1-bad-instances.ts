import { assertError, post } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "KServe v1: instances that are no list are 400.",
  source: "KServe v1",
  check: async (target) => {
    const path = `/v1/models/${encodeURIComponent(target.model)}:predict`;
    assertError(await post(target, path, { instances: {} }), 400);
  },
};
