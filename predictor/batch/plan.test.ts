import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { choose, placeInQueue, plan, stuckAtMs } from "./plan.ts";
import type { Waiting } from "./plan.ts";

const of = (key: string | undefined, rows = 1, length = 0): Waiting => ({ key, rows, length });
const wide = { rowsMax: 32, requestsMax: Number.POSITIVE_INFINITY, spareTokens: 0 };

describe("what runs together", () => {
  const rows: { why: string; waiting: Waiting[]; budget?: typeof wide; runs: number[] }[] = [
    { why: "nothing of nothing", waiting: [], runs: [] },
    { why: "everything of one key", waiting: [of("a"), of("a"), of("a")], runs: [0, 1, 2] },
    { why: "only the first one's key", waiting: [of("a"), of("b"), of("a")], runs: [0, 2] },
    { why: "one without a key alone", waiting: [of(undefined), of(undefined)], runs: [0] },
    { why: "none without a key beside others", waiting: [of("a"), of(undefined)], runs: [0] },
    {
      why: "as many rows as fit, later small ones too",
      waiting: [of("a", 20), of("a", 20), of("a", 12)],
      runs: [0, 2],
    },
    { why: "a request larger than a batch alone", waiting: [of("a", 99), of("a")], runs: [0] },
    {
      why: "no more requests than are let in at once",
      waiting: [of("a"), of("a"), of("a")],
      budget: { ...wide, requestsMax: 2 },
      runs: [0, 1],
    },
    {
      why: "equal lengths without any padding to spare",
      waiting: [of("a", 1, 8), of("a", 1, 9), of("a", 1, 8)],
      runs: [0, 2],
    },
    {
      why: "lengths whose padding is worth a run",
      waiting: [of("a", 1, 8), of("a", 1, 20), of("a", 1, 12)],
      budget: { ...wide, spareTokens: 4 },
      runs: [0, 2],
    },
    {
      why: "the nearest lengths first",
      waiting: [of("a", 1, 8), of("a", 1, 2), of("a", 1, 9), of("a", 1, 8), of("a", 1, 7)],
      budget: { ...wide, rowsMax: 4, spareTokens: 100 },
      runs: [0, 3, 2, 4],
    },
    {
      why: "no longer one that would pad all the others",
      waiting: [of("a", 1, 8), of("a", 1, 8), of("a", 1, 8), of("a", 1, 10)],
      budget: { ...wide, spareTokens: 5 },
      runs: [0, 1, 2],
    },
    {
      why: "no more tokens than a batch may have, but always one request",
      waiting: [of("a", 1, 9000), of("a", 1, 9000), of("a", 1, 7000)],
      budget: { ...wide, spareTokens: Number.POSITIVE_INFINITY },
      runs: [0],
    },
  ];
  for (const { why, waiting, budget, runs } of rows) {
    it(why, () => assert.deepEqual(plan(waiting, budget ?? wide), runs));
  }
});

describe("what runs when requests may wait for company", () => {
  const at = (enqueuedAtMs: number, key: string | undefined, rows = 1, deadlineAtMs = 1000) => ({
    enqueuedAtMs,
    deadlineAtMs,
    key,
    rows,
    length: 0,
  });
  const budget = { rowsMax: 4, requestsMax: 3, spareTokens: 0 };
  const rows = [
    { why: "nothing of nothing", waiting: [], is: { againAtMs: Number.POSITIVE_INFINITY } },
    { why: "not before its time", waiting: [at(95, "a")], is: { againAtMs: 105 } },
    { why: "at its time", waiting: [at(90, "a"), at(99, "a")], is: { run: [0, 1] } },
    { why: "at once when full", waiting: [at(99, "a"), at(99, "a", 3)], is: { run: [0, 1] } },
    {
      why: "at once with requestsMax",
      waiting: [at(99, "a"), at(99, "a"), at(99, "a")],
      is: { run: [0, 1, 2] },
    },
    {
      why: "a full group behind one that waits",
      waiting: [at(95, "a"), at(99, "b", 4)],
      is: { run: [1] },
    },
    {
      why: "what can't be joined at once",
      waiting: [at(95, "a"), at(99, undefined)],
      is: { run: [1] },
    },
    { why: "with half its time left", waiting: [at(90, "a", 1, 102)], is: { againAtMs: 96 } },
    { why: "the earliest of two", waiting: [at(98, "a"), at(95, "b")], is: { againAtMs: 105 } },
  ];
  for (const { why, waiting, is } of rows) {
    const nowMs = why.startsWith("with half") ? 95 : 100;
    it(why, () => assert.deepEqual(choose(waiting, budget, { nowMs, latencyMs: 10 }), is));
  }

  it("does not wait at all without a latency", () => {
    const choice = choose([at(100, "a"), at(100, "a")], budget, { nowMs: 100, latencyMs: 0 });
    assert.deepEqual(choice, { run: [0, 1] });
  });
});

describe("a place in the queue", () => {
  it("is a head start by priority; 0 and none are the default; large ones are alike", () => {
    const places = [1, 0, undefined, 5, 10, 2 ** 60].map((each) => placeInQueue(100, each));
    assert.deepEqual(places, [1100, 5100, 5100, 5100, 10_100, 10_100]);
  });
});

describe("when a run is stuck", () => {
  const times = { startedAtMs: 1000, deadlineAtMs: 6000, longestRunMs: 10, timeoutMs: 5000 };
  const rows = [
    { why: "at its deadline when it began at once", change: {}, at: 6000 },
    { why: "a second later when the queue ate its time", change: { deadlineAtMs: 1100 }, at: 2000 },
    {
      why: "after three times the longest run",
      change: { deadlineAtMs: 1100, longestRunMs: 700 },
      at: 3100,
    },
    {
      why: "never later than a whole timeout",
      change: { deadlineAtMs: 1100, longestRunMs: 9000 },
      at: 6000,
    },
    {
      why: "soon when the timeout is short",
      change: { deadlineAtMs: 1100, timeoutMs: 300 },
      at: 1300,
    },
  ];
  for (const { why, change, at } of rows) {
    it(why, () => assert.equal(stuckAtMs({ ...times, ...change }), at));
  }
});
