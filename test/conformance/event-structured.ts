import assert from "node:assert/strict";
import { askStructured, assertAnswers, attributes } from "./support/events.ts";
import type { Behaviour } from "./support/target.ts";
import { instancesOf } from "./support/v1.ts";

export const behaviour: Behaviour = {
  says: "KServe v1: a CloudEvent as one object is answered by one.",
  source: "CloudEvents 1.0, HTTP protocol binding, 3.2; KServe v1",
  check: async (target) => {
    const { status, headers, json } = await askStructured(target, attributes);
    assert.equal(status, 200, `status ${status}`);
    assert.match(headers.get("content-type") ?? "", /^application\/cloudevents\+json/);
    const event = json as Record<string, unknown> & { data?: { predictions?: unknown[] } };
    assertAnswers((name) => event[name]);
    assert.equal(event.data?.predictions?.length, instancesOf(target).length);
  },
};
