import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { RunCost } from "./cost.ts";

const lengths = [8, 128, 32, 64, 16, 100, 50, 8, 128, 32, 64, 16];

function learned(ms: (tokens: number) => number, runs = lengths): number {
  const cost = new RunCost();
  for (const tokens of runs) cost.observe(tokens, ms(tokens));
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
      learned(() => 20, lengths.slice(0, 7)),
      0,
      "too few runs",
    );
    const same = Array.from<number>({ length: 50 }).fill(64);
    assert.equal(
      learned(() => 20, same),
      0,
      "one length says nothing of others",
    );
  });

  it("hardly changes by one run that something else disturbed", () => {
    const cost = new RunCost();
    for (const tokens of [...lengths, ...lengths, ...lengths]) cost.observe(tokens, 5 + tokens);
    cost.observe(8, 100_000);
    assert(cost.spareTokens < 10, `${cost.spareTokens}`);
  });

  it("follows when the machine becomes another", () => {
    const cost = new RunCost();
    for (const tokens of lengths) cost.observe(tokens, tokens);
    for (let turn = 0; turn < 30; turn++) for (const each of lengths) cost.observe(each, 50 + each);
    assert(Math.abs(cost.spareTokens - 50) < 5, `${cost.spareTokens}`);
  });
});
