import assert from "node:assert/strict";
import { ask } from "./support/target.ts";
import type { Behaviour } from "./support/target.ts";

export const behaviour: Behaviour = {
  says: "The server says its name, its version and its extensions.",
  source: "Open Inference Protocol v2, REST",
  check: async (target) => {
    const { status, json } = await ask(target, "/v2");
    assert.equal(status, 200);
    const { name, version, extensions } = json as Record<string, unknown>;
    assert.equal(typeof name, "string");
    assert.equal(typeof version, "string");
    assert(Array.isArray(extensions), "extensions is no list");
  },
};
