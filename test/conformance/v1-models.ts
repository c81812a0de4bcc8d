import assert from "node:assert/strict";
import { ask } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "KServe v1: the models are listed, and each says that it is ready.",
  source: "KServe v1",
  check: async (target) => {
    const { json } = await ask(target, "/v1/models");
    assert((json as { models: string[] }).models.includes(target.model));
    const { status } = await ask(target, `/v1/models/${encodeURIComponent(target.model)}`);
    assert.equal(status, 200);
  },
};
