import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { KubeObject } from "./cluster.ts";
import { covers, satisfied, stamped } from "./intent.ts";

interface Child extends KubeObject {
  readonly spec: unknown;
}

function child(spec: unknown): Child {
  return { apiVersion: "v1", kind: "Child", metadata: { name: "a" }, spec };
}

describe("intent", () => {
  it("an object as it was applied needs no write, whatever others added to it", () => {
    const wanted = stamped(child({ env: [{ name: "A", value: "1" }] }));
    const live = {
      ...wanted,
      metadata: { ...wanted.metadata, resourceVersion: "7" },
      spec: { env: [{ name: "A", value: "1", theirs: true }], defaulted: 300 },
    };
    assert.ok(satisfied(live, wanted));
  });

  it("the order of keys means nothing", () => {
    const one = stamped(child({ a: 1, b: { c: 2, d: 3 } }));
    const other = stamped(child({ b: { d: 3, c: 2 }, a: 1 }));
    assert.deepEqual(one.metadata.annotations, other.metadata.annotations);
  });

  it("a field that is no longer wanted needs a write, though everything wanted is there", () => {
    const before = stamped(child({ timeoutSeconds: 60, nodeSelector: { a: "b" } }));
    const wanted = stamped(child({ timeoutSeconds: 60 }));
    assert.ok(covers(before.spec, wanted.spec));
    assert.ok(!satisfied(before, wanted));
  });

  it("what somebody else changed needs a write, though our digest is still there", () => {
    const wanted = stamped(child({ timeoutSeconds: 60 }));
    assert.ok(!satisfied({ ...wanted, spec: { timeoutSeconds: 61 } } as KubeObject, wanted));
  });

  for (const [why, live, wanted, answer] of [
    ["equal scalars", 1, 1, true],
    ["different scalars", 1, 2, false],
    ["a missing key", { a: 1 }, { a: 1, b: 2 }, false],
    ["an additional key", { a: 1, b: 2 }, { a: 1 }, true],
    ["an empty object for an absent one", {}, { annotations: {} }, true],
    ["a longer list", [1, 2], [1], false],
    ["a list in another order", [2, 1], [1, 2], false],
    ["a list instead of an object", [], { a: 1 }, false],
    ["a scalar instead of an object", "x", { a: 1 }, false],
  ] as const) {
    it(`covers: ${why} → ${answer}`, () => {
      assert.equal(covers(live, wanted), answer);
    });
  }
});
