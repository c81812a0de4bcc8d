import assert from "node:assert/strict";
import { ask, inferenceOf, modelPath, post } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "A model that lists versions serves them by path.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { json } = await ask(target, modelPath(target));
    const { versions = [] } = json as { versions?: string[] };
    assert(versions.length > 0, "the metadata lists no version");
    const path = modelPath(target, `/versions/${versions.at(-1)}/infer`);
    inferenceOf(await post(target, path, target.request));
  },
};
