import { askInHeaders, attributes } from "./support/events.ts";
import { assertError } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A CloudEvent without a type is 400.",
  source: "CloudEvents 1.0, required attributes",
  check: async (target) => {
    const { specversion, id, source } = attributes;
    assertError(await askInHeaders(target, { specversion, id, source }), 400);
  },
};
