import assert from "node:assert/strict";
import { ask, infer, inferenceOf, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Outputs have the rank that the metadata says.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { json } = await ask(target, modelPath(target));
    const { outputs: said } = json as { outputs: { name: string; shape: number[] }[] };
    for (const { name, shape } of inferenceOf(await infer(target)).outputs) {
      const declared = said.find((each) => each.name === name)?.shape;
      assert.equal(shape.length, declared?.length, `${name}: [${shape.join()}]`);
    }
  },
};
