import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { checksOf } from "./checks.ts";
import { lruHits, zipfOrder } from "./order.ts";
import type { Round } from "./round.ts";

const good: Round = {
  perSecond: 100,
  p50Ms: 1,
  p99Ms: 10,
  errors: 0,
  firstErrors: [],
  hitRatio: 0.7,
  lruHitRatio: 0.7,
  loads: 100,
  loadMs: 50,
  evictions: 70,
  executorsEnded: 0,
  residentAtEnd: 30,
  peakMib: 950,
  secondQuarterMib: 940,
  lastQuarterMib: 945,
};

describe("the promises of a repository of many models", () => {
  const rows: [rounds: Round[], broken: RegExp | undefined, why: string][] = [
    [[good, good, good], undefined, "all is well"],
    [[good, { ...good, errors: 1 }, good], /failed or were answered wrongly/, "one error, once"],
    [[good, good, { ...good, peakMib: 1025 }], /peak$/, "a peak above the budget, once"],
    [[good, { ...good, lastQuarterMib: 1000 }], /last quarter/, "memory that grows"],
    [[{ ...good, peakMib: Number.NaN }], /peak$/, "a figure that is missing"],
  ];
  for (const [rounds, broken, why] of rows) {
    it(`are ${broken === undefined ? "kept" : "broken"}: ${why}`, () => {
      const unmet = checksOf(rounds, 1024).filter(({ met }) => !met);
      assert.equal(unmet.length, broken === undefined ? 0 : 1);
      if (broken !== undefined) assert.match(unmet[0]?.what ?? "", broken);
    });
  }
});

describe("requests in a Zipf order", () => {
  it("are the same for a seed, and other ones for another", () => {
    assert.deepEqual(zipfOrder(10, 100, 1), zipfOrder(10, 100, 1));
    assert.notDeepEqual(zipfOrder(10, 100, 1), zipfOrder(10, 100, 2));
  });

  it("hit what an LRU of so many keeps", () => {
    assert.equal(lruHits([1, 2, 1, 2, 3, 1, 2], 2), 2);
    assert.equal(lruHits([1, 2, 1, 2, 3, 1, 2], 3), 4);
  });
});
