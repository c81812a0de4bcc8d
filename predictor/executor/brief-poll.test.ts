import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { BriefPoll } from "./brief-poll.ts";

/** A poll whose loop turns by hand, 0.04 ms each time; counts the turns until it may sleep. */
function stage(): { poll: BriefPoll; turns: (most?: number) => number; answer: () => void } {
  let nowMs = 0;
  let waiting = true;
  const next: (() => void)[] = [];
  const poll = new BriefPoll({
    waiting: () => waiting,
    nowMs: () => nowMs,
    onNextTurn: (callback) => void next.push(callback),
  });
  poll.enabled = true;
  const turns = (most = 100): number => {
    let count = 0;
    for (let turn = next.shift(); turn !== undefined && count < most; turn = next.shift()) {
      count++;
      nowMs += 0.04;
      turn();
      if (count === most) break;
    }
    return count;
  };
  return { poll, turns, answer: () => (waiting = false) };
}

describe("a brief poll", () => {
  it("keeps the loop awake for 0.25 ms after a run was sent", () => {
    const { poll, turns } = stage();
    poll.ran(0.02);
    poll.sent();
    assert.equal(turns(), 7);
  });

  it("ends with the answer", () => {
    const { poll, turns, answer } = stage();
    poll.ran(0.02);
    poll.sent();
    assert.equal(turns(1), 1);
    answer();
    assert.equal(turns(), 1);
  });

  it("goes on from the run that was sent last, and turns once for all", () => {
    const { poll, turns } = stage();
    poll.ran(0.02);
    poll.sent();
    poll.sent();
    assert.equal(turns(2), 2);
    poll.sent();
    assert.equal(turns(), 7);
  });

  it("lets the loop sleep until it knows that runs are short", () => {
    const { poll, turns } = stage();
    poll.sent();
    assert.equal(turns(), 0);
  });

  it("lets the loop sleep when the last run was no short one", () => {
    const { poll, turns } = stage();
    poll.ran(0.02);
    poll.ran(3);
    poll.sent();
    assert.equal(turns(), 0);
  });

  it("lets the loop sleep where there is no CPU to spare", () => {
    const { poll, turns } = stage();
    poll.enabled = false;
    poll.ran(0.02);
    poll.sent();
    assert.equal(turns(), 0);
  });
});
