import assert from "node:assert/strict";
import { ask, infer, inferenceOf, modelPath } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

type Stats = { success: { count: number } };

export const behaviour: Behaviour = {
  says: "The server counts inferences.",
  source: "Statistics extension",
  check: async (target) => {
    const counted = async (): Promise<number> => {
      const { status, json } = await ask(target, modelPath(target, "/stats"));
      assert.equal(status, 200, `status ${status}`);
      const [only] = (json as { model_stats: { inference_stats: Stats }[] }).model_stats;
      return only?.inference_stats.success.count ?? 0;
    };
    const before = await counted();
    inferenceOf(await infer(target));
    assert.equal((await counted()) - before, 1);
  },
};
