import assert from "node:assert/strict";
import { ask } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "The repository lists its models, to a request without a body as well.",
  source: "Model repository extension",
  check: async (target) => {
    const { url, token } = target.admin ?? { url: target.url };
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { status, json } = await ask({ url }, "/v2/repository/index", {
      method: "POST",
      headers,
    });
    assert.equal(status, 200, `status ${status}`);
    const models = json as { name: string; state: string }[];
    assert.equal(models.find(({ name }) => name === target.model)?.state, "READY");
  },
};
