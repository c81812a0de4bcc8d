import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { TransportError } from "./errors.ts";
import { noMetrics } from "./hooks.ts";
import { createElector, type Elector } from "./lease.ts";
import { FakeClock, settle } from "./testing/fake-clock.ts";
import { FakeLeaseServer, type LeaseClient } from "./testing/fake-lease-server.ts";
import { memoryLog } from "./testing/memory-log.ts";

interface Candidate {
  readonly elector: Elector;
  readonly client: LeaseClient;
  readonly clock: FakeClock;
  /** Whether `lost` has resolved. */
  lost: boolean;
}

describe("Elector", () => {
  let server: FakeLeaseServer;
  let clock: FakeClock;
  let candidates: Candidate[];

  beforeEach(() => {
    server = new FakeLeaseServer();
    clock = new FakeClock();
    candidates = [];
  });

  afterEach(async () => {
    await Promise.all(candidates.map(({ elector }) => elector.stop()));
    for (const { clock: own } of candidates) assert.equal(own.timers, 0);
  });

  /** Each has a clock of its own when told so: to be paused alone. */
  function candidate(identity: string, own = clock): Candidate {
    const client = server.client();
    const elector = createElector({
      http: client,
      namespace: "system",
      name: "controller",
      identity,
      clock: own,
      random: () => 0,
      log: memoryLog(),
      metrics: noMetrics,
    });
    const one = { elector, client, clock: own, lost: false };
    void elector.lost.then(() => {
      one.lost = true;
    });
    candidates.push(one);
    return one;
  }

  async function leader(identity: string, own = clock): Promise<Candidate> {
    const one = candidate(identity, own);
    one.elector.start();
    await settle();
    assert(one.elector.isLeader());
    return one;
  }

  it("takes a lease that does not exist, and renews it every two seconds", async () => {
    const a = await leader("a");
    await a.elector.elected;
    const before = a.client.calls;
    await clock.advance(20_000);
    assert(a.elector.mayWrite());
    assert.equal(a.client.calls - before, 10, "one call per renewal");
    assert.equal(server.lease?.spec.leaseTransitions, 0);
  });

  it("lets one lead while it renews, however long", async () => {
    const a = await leader("a");
    const b = candidate("b");
    b.elector.start();
    await clock.advance(600_000);
    assert.deepEqual([a.elector.isLeader(), b.elector.isLeader()], [true, false]);
  });

  it("takes over from one that died, 15 s after it saw the last renewal", async () => {
    const a = await leader("a");
    const b = candidate("b");
    b.elector.start();
    await clock.advance(1000);
    a.client.cut = new TransportError("dead");
    await clock.advance(13_000);
    assert.equal(b.elector.isLeader(), false);
    await clock.advance(4500);
    assert(b.elector.isLeader());
    assert.equal(server.lease?.spec.leaseTransitions, 1);
  });

  it("F12: stops writing 10 s after the last renewal was sent, 5 s before another may", async () => {
    const a = await leader("a");
    const b = candidate("b");
    b.elector.start();
    await clock.advance(4000);
    a.client.cut = new TransportError("only the lease is blocked");
    let bothMs = 0;
    let noneMs = 0;
    for (let ms = 0; ms < 30_000; ms += 100) {
      await clock.advance(100);
      const [first, second] = [a.elector.mayWrite(), b.elector.mayWrite()];
      if (first && second) bothMs += 100;
      if (!first && !second) noneMs += 100;
    }
    assert.equal(bothMs, 0);
    assert(noneMs >= 4000, `${noneMs} ms without a writer`);
    assert(a.lost && b.elector.isLeader());
  });

  it("F12: says for how long an answer may be waited for", async () => {
    const a = await leader("a");
    assert.equal(a.elector.remainingMs(), 15_000);
    a.client.cut = new TransportError("x");
    await clock.advance(4000);
    assert.equal(a.elector.remainingMs(), 11_000);
    await clock.advance(20_000);
    assert.equal(a.elector.remainingMs(), 0);
  });

  it("F12: a renewal that hangs costs the term at its deadline, and its late answer is no revival", async () => {
    const a = await leader("a");
    const gate = Promise.withResolvers<void>();
    await clock.advance(1000);
    a.client.hold = gate.promise;
    await clock.advance(10_000);
    assert(a.lost);
    gate.resolve();
    await settle();
    assert.equal(a.elector.mayWrite(), false);
  });

  it("F12: the term counts from when the claim was sent, not from when the answer came", async () => {
    const a = await leader("a");
    const gate = Promise.withResolvers<void>();
    await clock.advance(1000);
    a.client.hold = gate.promise;
    await clock.advance(4000);
    gate.resolve();
    a.client.cut = new TransportError("no more");
    await settle();
    assert.equal(a.elector.remainingMs(), 12_000, "sent at 2 s, answered at 5 s");
    await clock.advance(7000);
    assert.equal(a.elector.mayWrite(), false);
  });

  it("F13, F14: one that was paused, or stood still in work of its own, may not write from the first moment on, and has lost", async () => {
    const paused = new FakeClock();
    const a = await leader("a", paused);
    const b = candidate("b");
    b.elector.start();
    await clock.advance(20_000);
    assert(b.elector.isLeader(), "a did not renew while it was paused");
    paused.pause(20_000);
    assert.equal(a.elector.mayWrite(), false, "before any timer of its own has run");
    await paused.advance(5000);
    assert(a.lost);
    assert.equal(server.holder, "b");
  });

  it("F38: time in suspend counts for the own term", async () => {
    const a = await leader("a");
    clock.suspend(10_000);
    assert.equal(a.elector.mayWrite(), false);
    await clock.advance(2000);
    assert(a.lost);
  });

  it("F38: and it does not count against another's", async () => {
    const a = await leader("a", new FakeClock());
    const own = new FakeClock();
    const b = candidate("b", own);
    b.elector.start();
    await settle();
    own.suspend(3_600_000);
    await own.advance(4000);
    assert.equal(b.elector.isLeader(), false, "b looked away, a need not be gone");
    assert.equal(server.holder, "a");
    assert(a.elector.isLeader());
  });

  it("F20: another machine's clock does not matter", async () => {
    const a = await leader("a", new FakeClock(Date.parse("2001-01-01T00:00:00Z")));
    const b = candidate("b");
    b.elector.start();
    await clock.advance(10_000);
    assert.equal(b.elector.isLeader(), false, "a renewTime long past is not looked at");
    assert(a.elector.isLeader());
  });

  it("F09: gets over failures that are shorter than the renew deadline", async () => {
    const a = await leader("a");
    await clock.advance(2000);
    a.client.cut = new TransportError("apiserver restarts");
    await clock.advance(7000);
    a.client.cut = undefined;
    await clock.advance(60_000);
    assert(a.elector.isLeader());
  });

  it("gives up at once when another holds the lease", async () => {
    const a = await leader("a");
    const { lease } = server;
    assert(lease !== undefined);
    server.handle({
      method: "PUT",
      path: "",
      body: { ...lease, spec: { ...lease.spec, holderIdentity: "thief" } },
    });
    await clock.advance(2000);
    assert(a.lost);
    assert.equal(server.holder, "thief");
  });

  it("makes the lease anew when somebody deleted it", async () => {
    const a = await leader("a");
    server.lease = undefined;
    await clock.advance(2000);
    assert(a.elector.isLeader());
    assert.equal(server.holder, "a");
  });

  it("F34: stop() gives the lease back, and the next one leads within a retry", async () => {
    const a = await leader("a");
    const b = candidate("b");
    b.elector.start();
    await settle();
    await a.elector.stop();
    assert.equal(a.elector.mayWrite(), false);
    assert.equal(server.holder, "");
    assert.equal(a.lost, false, "it was given, not lost");
    await clock.advance(2000);
    assert(b.elector.isLeader());
  });

  it("stop() of one that does not lead leaves the lease alone", async () => {
    await leader("a");
    const b = candidate("b");
    b.elector.start();
    await settle();
    await b.elector.stop();
    assert.equal(server.holder, "a");
  });

  it("never lets two write at once, whatever is paused or cut (random schedules)", async () => {
    for (let seed = 1; seed <= 30; seed += 1) await randomSchedule(seed);
  });

  /**
   * Three candidates on clocks of their own; each second one of them may be cut, healed or paused.
   */
  async function randomSchedule(seed: number): Promise<void> {
    server = new FakeLeaseServer();
    const next = generator(seed);
    const trio = ["a", "b", "c"].map((identity) => candidate(identity, new FakeClock()));
    const pausedMs = trio.map(() => 0);
    for (const { elector } of trio) elector.start();
    for (let second = 0; second < 60; second += 1) {
      const victim = Math.floor(next() * 3);
      const one = trio[victim];
      const action = next();
      if (one !== undefined && action < 0.2) one.client.cut = new TransportError("cut");
      else if (one !== undefined && action < 0.5) one.client.cut = undefined;
      else if (action < 0.6) pausedMs[victim] = (pausedMs[victim] ?? 0) + next() * 20_000;
      for (const [at, { clock: own }] of trio.entries()) {
        const paused = pausedMs[at] ?? 0;
        if (paused > 0) own.pause(1000);
        else await own.advance(1000);
        pausedMs[at] = Math.max(0, paused - 1000);
      }
      const writers = trio.filter(({ elector }) => elector.mayWrite()).length;
      assert(writers <= 1, `seed ${seed}, second ${second}: ${writers} writers`);
    }
  }
});

/** A small generator (mulberry32), so that a failing schedule can be run again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
