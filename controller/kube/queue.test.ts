import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { WorkQueue } from "./queue.ts";
import { FakeClock, settle } from "./testing/fake-clock.ts";

describe("WorkQueue", () => {
  let clock: FakeClock;
  let queue: WorkQueue;

  beforeEach(() => {
    clock = new FakeClock();
    // Without jitter: backoffMs multiplies by 0.75 + random / 2.
    queue = new WorkQueue({ name: "test", clock, random: () => 0.5 });
  });

  /** What is ready to be taken right now, taken and done. */
  async function ready(): Promise<string[]> {
    const keys: string[] = [];
    while (queue.depth > 0) {
      const key = await queue.take();
      if (key === undefined) break;
      keys.push(key);
      queue.done(key);
    }
    return keys;
  }

  it("holds a key once, in order of arrival", async () => {
    for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
    assert.deepEqual(await ready(), ["a", "b", "c"]);
  });

  it("gives a key to one worker at a time, and again when it was added meanwhile", async () => {
    queue.add("a");
    assert.equal(await queue.take(), "a");
    queue.add("a");
    queue.add("a");
    assert.equal(queue.depth, 0, "not to a second worker");
    queue.done("a");
    assert.deepEqual(await ready(), ["a"]);
  });

  it("wakes a worker that waits", async () => {
    const taken = queue.take();
    queue.add("a");
    assert.equal(await taken, "a");
  });

  it("takes resyncs after everything else, and lifts one that changes", async () => {
    queue.add("low", "low");
    queue.add("lifted", "low");
    queue.add("normal");
    queue.add("lifted");
    assert.deepEqual(await ready(), ["normal", "lifted", "low"]);
  });

  it("F15: a failing key backs off from 5 ms to 1000 s, alone", async () => {
    const delays: number[] = [];
    for (let failure = 0; failure < 20; failure += 1) delays.push(queue.retry("poison"));
    assert.deepEqual(delays.slice(0, 4), [5, 10, 20, 40]);
    assert.equal(delays.at(-1), 1_000_000);
    queue.add("healthy");
    assert.deepEqual(await ready(), ["healthy"]);
    queue.forget("poison");
    assert.equal(queue.retry("poison"), 5, "a success wipes the slate");
  });

  it("limits the retries of all keys together: 100 at once, then 10 a second", () => {
    const delays = Array.from({ length: 120 }, (_, at) => queue.retry(`key-${at}`));
    assert.equal(delays[99], 5);
    assert.equal(delays[119], 2000);
  });

  it("F09: waits at least as long as the server asked", async () => {
    assert.equal(queue.retry("a", 3000), 3000);
    await clock.advance(2999);
    assert.deepEqual(await ready(), []);
    await clock.advance(1);
    assert.deepEqual(await ready(), ["a"]);
  });

  it("of two delays the earlier counts, and an add counts for both", async () => {
    queue.addAfter("a", 100);
    queue.addAfter("a", 50);
    queue.addAfter("a", 200);
    await clock.advance(50);
    assert.deepEqual(await ready(), ["a"]);
    queue.addAfter("b", 100);
    queue.add("b");
    assert.deepEqual(await ready(), ["b"]);
    await clock.advance(10_000);
    assert.deepEqual(await ready(), []);
    assert.equal(clock.timers, 0);
  });

  it("F34: shutdown wakes the idle, waits for the busy, and takes nothing more", async () => {
    for (const key of ["first", "busy", "waiting"]) queue.add(key);
    queue.addAfter("later", 10);
    assert.deepEqual([await queue.take(), await queue.take()], ["first", "busy"]);
    let drained = false;
    const done = queue.shutdown().then(() => {
      drained = true;
    });
    queue.add("busy");
    queue.retry("busy");
    queue.done("first");
    await settle();
    assert.equal(drained, false);
    queue.done("busy");
    await done;
    assert.equal(await queue.take(), undefined);
    assert.deepEqual([queue.depth, clock.timers], [0, 0]);
  });

  it("shutdown wakes workers that wait", async () => {
    const taken = queue.take();
    await queue.shutdown();
    assert.equal(await taken, undefined);
  });

  it("says how long keys have been worked on", async () => {
    queue.add("a");
    await queue.take();
    await clock.advance(1500);
    assert.deepEqual(queue.runningMs(), [{ key: "a", ms: 1500 }]);
  });
});
