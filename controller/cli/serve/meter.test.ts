import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LoadMeter } from "./meter.ts";

describe("LoadMeter", () => {
  it("averages concurrency over time, so that a burst between two looks counts", () => {
    const meter = new LoadMeter(0);
    meter.enter(100);
    meter.enter(100);
    meter.leave(300);
    meter.leave(400);
    assert.deepEqual(meter.sample(1000), { atMs: 1000, concurrency: 0.5, rps: 2 });
  });

  it("begins anew at each sample, with those who are still inside", () => {
    const meter = new LoadMeter(0);
    meter.enter(0);
    meter.sample(1000);
    assert.deepEqual(meter.sample(3000), { atMs: 3000, concurrency: 1, rps: 0 });
    assert.equal(meter.inside, 1);
  });

  it("is idle from the last leave on, not while somebody is inside", () => {
    const meter = new LoadMeter(0);
    assert.equal(meter.idleMs(500), 500);
    meter.enter(500);
    assert.equal(meter.idleMs(5000), 0);
    meter.leave(5000);
    assert.equal(meter.idleMs(5100), 100);
  });
});
