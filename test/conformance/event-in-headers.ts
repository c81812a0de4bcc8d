import assert from "node:assert/strict";
import { askInHeaders, assertAnswers, attributes } from "./support/events.ts";
import type { Behaviour } from "./support/target.ts";
import { instancesOf } from "./support/v1.ts";

export const behaviour: Behaviour = {
  says: "KServe v1: a CloudEvent in headers is answered by one.",
  source: "CloudEvents 1.0, HTTP protocol binding, 3.1; KServe v1",
  check: async (target) => {
    const { status, headers, json } = await askInHeaders(target, attributes);
    assert.equal(status, 200, `status ${status}`);
    assertAnswers((name) => headers.get(`ce-${name}`));
    const { predictions } = json as { predictions: unknown[] };
    assert.equal(predictions.length, instancesOf(target).length);
  },
};
