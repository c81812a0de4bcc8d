import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { RunCost } from "./cost.ts";
import type { ObservedRun } from "./cost.ts";

const some = [8, 128, 32, 64, 16, 100, 50];
const lengths = Array.from({ length: 10 }, () => some).flat();

/** A run of one request. */
const alone = (tokens: number, ms: number): ObservedRun => ({
  tokens,
  padding: 0,
  requests: 1,
  ms,
});

function learned(ms: (tokens: number) => number, runs = lengths): number {
  const cost = new RunCost();
  for (const tokens of runs) cost.observe(alone(tokens, ms(tokens)));
  return cost.spareTokens;
}

describe("the padding that a run is worth", () => {
  it("is what a run costs by itself, in tokens", () => {
    assert(Math.abs(learned((tokens) => 5 + 0.5 * tokens) - 10) < 1e-6);
  });

  it("is none when only tokens cost", () => {
    assert(learned((tokens) => 0.5 * tokens) < 1e-6);
    assert.equal(
      learned((tokens) => tokens ** 2),
      0,
      "long ones cost more than their share",
    );
  });

  it("is any when tokens cost nothing", () => {
    assert(learned(() => 20) > 1e9);
  });

  it("is none before anything is known", () => {
    assert.equal(
      learned(() => 20, lengths.slice(0, 63)),
      0,
      "too few runs",
    );
    const same = Array.from<number>({ length: 100 }).fill(64);
    assert.equal(
      learned(() => 20, same),
      0,
      "one length says nothing of others",
    );
  });

  it("hardly changes by one run that something else disturbed", () => {
    const cost = new RunCost();
    for (const tokens of lengths) cost.observe(alone(tokens, 5 + tokens));
    cost.observe(alone(8, 100_000));
    assert(cost.spareTokens < 10, `${cost.spareTokens}`);
  });

  it("follows when the machine becomes another", () => {
    const cost = new RunCost();
    for (const tokens of lengths) cost.observe(alone(tokens, tokens));
    for (let turn = 0; turn < 5; turn++)
      for (const each of lengths) cost.observe(alone(each, 50 + each));
    assert(Math.abs(cost.spareTokens - 50) < 5, `${cost.spareTokens}`);
  });

  it("is not what the first runs on a cold machine seemed to say", () => {
    const cost = new RunCost();
    for (const tokens of some) cost.observe(alone(tokens, 40 + tokens));
    for (const tokens of lengths) cost.observe(alone(tokens, 5 + tokens));
    assert(Math.abs(cost.spareTokens - 5) < 1, `${cost.spareTokens}`);
  });

  it("is learned of small runs as well while large ones make the crowd", () => {
    const cost = new RunCost();
    let explored = 0;
    for (const tokens of lengths) cost.observe(alone(tokens, 30 + tokens));
    for (let run = 0; run < 1000; run++) {
      // A run costs less by itself than it did.
      const lone = some[explored % some.length] ?? 8;
      if (cost.explores) cost.observe(alone(lone, 5 + lone));
      if (cost.explores) assert.fail("once is enough");
      // What was padded is of one size.
      const tokens = 2040 + (run % 8);
      cost.observe({ tokens, padding: 700, requests: 20, ms: 5 + tokens });
      if (cost.explores) explored++;
    }
    assert(explored > 10 && explored < 50, `${explored} ran alone`);
    assert(Math.abs(cost.spareTokens - 5) < 2, `${cost.spareTokens}`);
  });

  it("makes nobody wait for a run alone where nothing is padded", () => {
    const cost = new RunCost();
    for (let run = 0; run < 1000; run++) {
      cost.observe({ tokens: 1024, padding: 0, requests: 8, ms: 250 });
      assert(!cost.explores, `after ${run} runs`);
    }
  });

  it("makes nobody wait for a run alone where requests run alone anyway", () => {
    const cost = new RunCost();
    for (let run = 0; run < 1000; run++) {
      cost.observe({ tokens: 1000, padding: 300, requests: 7, ms: 250 });
      cost.observe(alone(100, 35));
      assert(!cost.explores, `after ${run} runs`);
    }
  });
});
