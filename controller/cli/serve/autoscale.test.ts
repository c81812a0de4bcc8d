import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { autoscale, type ScaleInput, type ScalePolicy } from "./autoscale.ts";

const policy: ScalePolicy = {
  metric: "concurrency",
  target: 7,
  minReplicas: 0,
  maxReplicas: 10,
  windowMs: 60_000,
};

/** A sample every 2 s up to `nowMs`, the newest last. */
function history(nowMs: number, ...concurrency: number[]): ScaleInput["samples"] {
  return concurrency.map((value, index) => ({
    atMs: nowMs - (concurrency.length - 1 - index) * 2000,
    concurrency: value,
    rps: value * 100,
  }));
}

const NOW = 1_000_000;
const steady = (load: number): ScaleInput["samples"] =>
  history(NOW, ...Array.from({ length: 30 }, () => load));

interface Row {
  readonly why: string;
  readonly policy?: Partial<ScalePolicy>;
  readonly input: Partial<ScaleInput>;
  readonly want: number;
}

const rows: Row[] = [
  { why: "nothing there, nobody comes", input: {}, want: 0 },
  { why: "steady load keeps what it needs", input: { replicas: 2, samples: steady(14) }, want: 2 },
  { why: "a little more than two can take", input: { replicas: 2, samples: steady(15) }, want: 3 },
  {
    why: "almost nothing is still somebody: one stays",
    input: { replicas: 1, samples: steady(0.01), idleMs: 30_000 },
    want: 1,
  },
  {
    why: "idle for less than the window",
    input: { replicas: 1, samples: steady(0), idleMs: 59_999 },
    want: 1,
  },
  {
    why: "idle for the window",
    input: { replicas: 1, samples: steady(0), idleMs: 60_000 },
    want: 0,
  },
  {
    why: "idle, but minReplicas stay",
    policy: { minReplicas: 2 },
    input: { replicas: 2, samples: steady(0), idleMs: 600_000 },
    want: 2,
  },
  {
    why: "a long request is inside although none arrived in the window",
    policy: { metric: "rps" },
    input: { replicas: 1, samples: steady(0), inside: 1 },
    want: 1,
  },
  { why: "never more than maxReplicas", input: { replicas: 9, samples: steady(500) }, want: 10 },
  {
    why: "at most half goes at once",
    input: { replicas: 8, samples: steady(1), inside: 1 },
    want: 4,
  },
  {
    why: "requests a second are measured against their own target",
    policy: { metric: "rps", target: 140 },
    input: { replicas: 1, samples: steady(2.5) },
    want: 2,
  },
  {
    why: "a burst of the last 6 s is not averaged with the minute before",
    input: {
      replicas: 1,
      samples: [...steady(0).slice(0, 27), ...history(NOW, 40, 40, 40)],
      inside: 40,
    },
    want: 6,
  },
  {
    why: "a burst that does not ask for twice what is there is left to the long average",
    input: {
      replicas: 4,
      samples: [...steady(20).slice(0, 27), ...history(NOW, 40, 40, 40)],
      inside: 40,
    },
    want: 4,
  },
  {
    why: "in panic nothing is taken away",
    input: { replicas: 6, samples: steady(7), inside: 7, panicUntilMs: NOW + 1 },
    want: 6,
  },
  {
    why: "after panic it is",
    input: { replicas: 6, samples: steady(7), inside: 7, panicUntilMs: NOW },
    want: 3,
  },
  {
    why: "samples older than the window do not count",
    input: {
      replicas: 1,
      samples: [{ atMs: NOW - 60_000, concurrency: 1000, rps: 0 }, ...steady(1)],
      inside: 1,
    },
    want: 1,
  },
];

describe("autoscale", () => {
  for (const row of rows) {
    it(`${row.want}: ${row.why}`, () => {
      const input = {
        nowMs: NOW,
        replicas: 0,
        samples: [],
        inside: 0,
        idleMs: 0,
        panicUntilMs: 0,
        ...row.input,
      };
      assert.equal(autoscale({ ...policy, ...row.policy }, input).replicas, row.want);
    });
  }

  it("panic lasts a stable window from the last look that found it", () => {
    const input = { nowMs: NOW, replicas: 1, samples: steady(100), inside: 100, idleMs: 0 };
    const decision = autoscale(policy, { ...input, panicUntilMs: 0 });
    assert.equal(decision.panicUntilMs, NOW + policy.windowMs);
  });

  it("says by what load it decided", () => {
    const input = { nowMs: NOW, replicas: 1, samples: steady(12.34), inside: 12, idleMs: 0 };
    const { why } = autoscale(policy, { ...input, panicUntilMs: 0 });
    assert.equal(why, "12.3 requests in flight on average, 7 a process aimed at");
  });
});
