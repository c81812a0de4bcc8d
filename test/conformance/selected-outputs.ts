import assert from "node:assert/strict";
import { infer, inferenceOf } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "Only the outputs asked for are answered.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { outputs: all } = inferenceOf(await infer(target));
    const last = all.at(-1)?.name;
    const { outputs } = inferenceOf(await infer(target, { outputs: [{ name: last }] }));
    assert.deepEqual(
      outputs.map(({ name }) => name),
      [last],
    );
  },
};
