import { ask, assertError, infer, inferenceOf, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

const depth = 20_000;

export const behaviour: Behaviour = {
  says: "Values nested beyond all measure are 400, wherever they are, and the next request is served.",
  source: "Triton's server, which refuses more than 100 levels",
  check: async (target) => {
    const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const text = JSON.stringify({ parameters: { priority: 0 }, ...target.request });
    const path = modelPath(target, "/infer");
    for (const [wholesome, at] of [
      ['"priority":0', '"priority":'],
      [/"datatype":"\w+"/, '"datatype":'],
      [/"shape":\[\d+/, '"shape":['],
      [/"data":\[[^,\]]+/, '"data":[{"a":'],
    ] as const) {
      const end = at.endsWith('{"a":') ? "}" : "";
      const body = text.replace(wholesome, `${at}${deep}${end}`);
      assertError(await ask(target, path, { method: "POST", body }), 400);
    }
    inferenceOf(await infer(target));
  },
};
