import assert from "node:assert/strict";
import { describe, it } from "mocha";

import { failedAgain, selectVictim, selectWasteful, wasteOf } from "./eviction.ts";
import type { Occupant } from "./eviction.ts";

const at = (item: string, usedAt: number, more: Partial<Occupant<string>> = {}) => ({
  item,
  usedAt,
  pinned: false,
  ...more,
});

describe("what leaves memory", () => {
  const rows: [occupants: Occupant<string>[], want: string | undefined, why: string][] = [
    [[], undefined, "nothing is there"],
    [[at("b", 2), at("a", 1), at("c", 3)], "a", "not needed for longest"],
    [[at("a", 1, { pinned: true }), at("b", 2)], "b", "what is in use stays"],
    [[at("a", 1, { pinned: true })], undefined, "everything is in use"],
    [[at("a", 1, { busy: true }), at("b", 2)], "b", "what can leave at once goes first"],
    [[at("a", 1, { busy: true }), at("b", 2, { busy: true })], "a", "all would have to wait"],
  ];
  for (const [occupants, want, why] of rows) {
    it(`is ${want ?? "nothing"}: ${why}`, () => assert.equal(selectVictim(occupants), want));
  }
});

describe("a process to replace", () => {
  const host = (name: string, rssBytes: number, pinned = false) => ({
    host: name,
    rssBytes,
    baseBytes: 100,
    modelBytes: 50,
    pinned,
  });

  it("is the one that wastes most, if that is worth it", () => {
    assert.equal(wasteOf(host("a", 120)), 0);
    assert.equal(selectWasteful([host("a", 200), host("b", 300)], 40), "b");
    assert.equal(selectWasteful([host("a", 200), host("b", 300, true)], 40), "a");
    assert.equal(selectWasteful([host("a", 180)], 40), undefined);
  });
});

describe("a load that failed", () => {
  it("is not tried again for a while that doubles, up to five minutes", () => {
    let failures = failedAgain(undefined, 0);
    const waits = [failures.untilMs];
    for (let tries = 2; tries <= 10; tries++) {
      failures = failedAgain(failures, 0);
      waits.push(failures.untilMs);
    }
    assert.deepEqual(waits.slice(0, 4), [1000, 2000, 4000, 8000]);
    assert.equal(waits.at(-1), 300_000);
  });
});
