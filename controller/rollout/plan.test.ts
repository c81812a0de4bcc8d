import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { RolloutSpec } from "../api/inferenceservice.gen.ts";
import { gateVerdict, GATE_MS, type PlanInput, planRollout } from "./plan.ts";
import { parseState, type RolloutState } from "./state.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const GATE = { maxErrorRatio: 0.05, maxLatencyP95: "200ms", minRequests: 50 };
const SPEC: RolloutSpec = {
  steps: [
    { percent: 10, duration: "1m" },
    { percent: 50, duration: "2m" },
  ],
  gate: GATE,
};
const GOOD = { requests: 100, errors: 1, latencyP95Ms: 20 };
const UP = { up: true, isStable: false, answering: true };
const DOWN = { up: false, isStable: false, answering: false };

function state(over: Partial<RolloutState> = {}): RolloutState {
  return { template: "t2", stable: "v1", phase: "Progressing", step: 0, ...over };
}

function at(secondsAgo: number): string {
  return new Date(NOW - secondsAgo * 1000).toISOString();
}

function plan(over: Partial<PlanInput>): ReturnType<typeof planRollout> {
  const input = { spec: SPEC, state: state(), template: "t2", stable: "v1", candidate: UP };
  return planRollout({ ...input, measured: GOOD, nowMs: NOW, ...over });
}

describe("planRollout", () => {
  for (const { why, given, percent, reason, phase } of [
    { why: "nobody ever served", given: { stable: undefined }, percent: 100 },
    {
      why: "the wanted revision is the stable one already",
      given: { state: undefined, candidate: { ...UP, isStable: true } },
      percent: 100,
    },
    {
      why: "a change begins at the first step",
      given: { state: undefined, candidate: DOWN },
      percent: 10,
      reason: "WaitingForRevision",
      phase: "Progressing",
    },
    {
      why: "a rolled-back template is not tried again",
      given: { state: state({ phase: "RolledBack", reason: "LatencyTooHigh" }) },
      percent: 0,
      reason: "LatencyTooHigh",
      phase: "RolledBack",
    },
    {
      why: "another template is a new try after a rollback",
      given: { state: state({ phase: "RolledBack", template: "t1" }), candidate: DOWN },
      percent: 10,
      reason: "WaitingForRevision",
      phase: "Progressing",
    },
    {
      why: "a revision that never came up got nothing: wait for a change, no rollback",
      given: { candidate: { ...DOWN, failure: "no model" } },
      percent: 10,
      reason: "WaitingForRevision",
      phase: "Progressing",
    },
    {
      why: "one that was up and then fails is rolled back",
      given: { state: state({ since: at(5) }), candidate: { ...UP, failure: "OOM" } },
      percent: 0,
      reason: "RevisionFailed",
      phase: "RolledBack",
    },
    {
      why: "no longer as many steps as there were: over",
      given: { state: state({ since: at(5), step: 7 }) },
      percent: 100,
      reason: "Promoted",
      phase: "Promoted",
    },
    {
      why: "without a gate nobody is asked",
      given: {
        spec: { steps: [{ percent: 10, duration: "1s" }] },
        state: state({ since: at(2) }),
        measured: "no answer",
      },
      percent: 100,
      reason: "Promoted",
      phase: "Promoted",
    },
    {
      why: "a duration of 0 still waits for the gate",
      given: {
        spec: { steps: [{ percent: 10, duration: "0s" }], gate: { minRequests: 1 } },
        state: state({ since: at(0) }),
        measured: { requests: 0, errors: 0 },
      },
      percent: 10,
      reason: "WaitingForRequests",
      phase: "Progressing",
    },
  ] as const) {
    it(`${why}: ${percent} %`, () => {
      const found = plan(given);
      assert.equal(found.percent, percent);
      assert.equal(found.reason, reason);
      assert.equal(found.state?.phase, phase);
    });
  }

  it("goes through its steps on its own clock, and says when to look again", () => {
    const first = plan({ state: state(), candidate: UP });
    assert.deepEqual([first.percent, first.state?.since], [10, "2026-11-22T12:00:00Z"]);
    assert.equal(first.checkAfterMs, GATE_MS);
    const later = { nowMs: NOW + 58_000 };
    assert.equal(plan({ state: first.state, ...later }).checkAfterMs, 2000);
    const second = plan({ state: first.state, nowMs: NOW + 60_000 });
    assert.deepEqual([second.percent, second.state?.step], [50, 1]);
    const last = plan({ state: second.state, nowMs: NOW + 180_000 });
    assert.deepEqual([last.percent, last.state?.phase], [100, "Promoted"]);
    assert.equal(last.checkAfterMs, undefined);
    assert.deepEqual(plan({ state: last.state, nowMs: NOW + 999_000 }).state, last.state);
  });

  it("tells the numbers when a step is over, and not at each look", () => {
    const begun = state({ since: at(0) });
    const looks = [GOOD, { ...GOOD, requests: GOOD.requests + 1 }].map((measured) =>
      plan({ state: begun, measured, nowMs: NOW + 10_000 }),
    );
    assert.equal(looks[0]?.message, "10 % for 60 s; the gate passes so far");
    assert.deepEqual(looks[1], looks[0]);
    const second = plan({ state: begun, measured: GOOD, nowMs: NOW + 60_000 });
    const numbers = /error ratio 0.*, P95 .* in \d+ requests$/;
    assert.match(second.message ?? "", /^50 % for .*; step 1: error ratio/);
    const later = plan({ state: second.state, measured: GOOD, nowMs: NOW + 61_000 });
    assert.match(later.message ?? "", /^50 % for .*; the gate passes so far; step 1: error ratio/);
    const last = plan({ state: second.state, measured: GOOD, nowMs: NOW + 180_000 });
    assert.match(last.message ?? "", /^the new revision has taken over; error ratio/);
    for (const { message = "" } of [second, later, last]) assert.match(message, numbers);
    assert.deepEqual(plan({ state: last.state, nowMs: NOW + 999_000 }).message, last.message);
  });

  it("rolls back within a step, as soon as there are requests enough", () => {
    const bad = { requests: 50, errors: 21 };
    const found = plan({ state: state({ since: at(3) }), measured: bad });
    assert.equal(found.state?.phase, "RolledBack");
    assert.equal(found.message, "error ratio 0.42 over 0.05 in 50 requests");
    assert.equal(plan({ state: found.state, measured: GOOD }).percent, 0);
  });

  it("Recreate gives everything at once, and is over when a pod answers", () => {
    const spec: RolloutSpec = { strategy: "Recreate" };
    const begun = plan({ spec, state: undefined, candidate: DOWN });
    assert.equal(begun.percent, 100);
    const waits = plan({ spec, state: begun.state, candidate: { ...UP, answering: false } });
    assert.deepEqual([waits.percent, waits.reason], [100, "WaitingForRevision"]);
    assert.equal(plan({ spec, state: begun.state, candidate: UP }).reason, "Promoted");
    const failed = { ...DOWN, failure: "no model there" };
    assert.equal(plan({ spec, state: begun.state, candidate: failed }).percent, 0);
  });
});

describe("gateVerdict", () => {
  for (const { why, measured, kind, words } of [
    {
      why: "at the limit is within it",
      measured: { requests: 100, errors: 5, latencyP95Ms: 200 },
      kind: "passed",
      words: "error ratio 0.05, P95 200 ms in 100 requests",
    },
    {
      why: "too few to tell, though all failed",
      measured: { requests: 49, errors: 49 },
      kind: "open",
      words: "fewer than the 50",
    },
    {
      why: "slow",
      measured: { requests: 50, errors: 0, latencyP95Ms: 12_345 },
      kind: "failed",
      words: "P95 latency 12.3 s over 200 ms in 50 requests",
    },
    {
      why: "no answer is not fast",
      measured: { requests: 50, errors: 2 },
      kind: "failed",
      words: "none of 50 requests",
    },
    {
      why: "nobody could be asked",
      measured: "p1: port 8080: no answer",
      kind: "open",
      words: "p1: port 8080: no answer",
    },
    { why: "nobody was asked", measured: undefined, kind: "open", words: "no pod was asked" },
  ] as const) {
    it(`${why}: ${kind}`, () => {
      const verdict = gateVerdict(GATE, measured);
      assert.equal(verdict.kind, kind);
      const said = verdict.kind === "open" ? verdict.soFar : verdict.message;
      assert.ok(said.includes(words), said);
    });
  }

  it("wants 20 requests unless told", () => {
    assert.equal(gateVerdict({ maxErrorRatio: 0 }, { requests: 19, errors: 0 }).kind, "open");
    assert.equal(gateVerdict({ maxErrorRatio: 0 }, { requests: 20, errors: 0 }).kind, "passed");
  });
});

describe("parseState", () => {
  for (const text of [
    undefined,
    "",
    "{",
    "null",
    "[]",
    '{"template":"t"}',
    '{"template":"t","stable":"v","phase":"Progressing","step":0,"since":"soon"}',
  ]) {
    it(`takes ${text} for no state`, () => {
      assert.equal(parseState(text), undefined);
    });
  }
});
