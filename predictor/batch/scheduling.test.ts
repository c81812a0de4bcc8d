import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ask, askWith, start } from "./testing/fakes.ts";

describe("the batcher, asked for more", () => {
  it("runs the urgent first, and the default in the middle", async () => {
    const { port, batcher } = start({ batchable: false });
    void ask(batcher, 0);
    for (const priority of [9, 0, 1, 5]) void askWith(batcher, { priority }, priority);
    for (let run = 0; run < 5; run++) await port.echo();
    assert.deepEqual(port.firstValues, [0, 1, 0, 5, 9]);
  });

  it("lets nothing starve behind urgent requests", async () => {
    const { port, clock, batcher } = start({ batchable: false });
    void ask(batcher, 0);
    void askWith(batcher, { priority: 10 }, 10);
    await clock.advance(9001);
    void askWith(batcher, { priority: 1 }, 1);
    await port.echo();
    assert.deepEqual(port.firstValues, [0, 10], "nine seconds of waiting outweigh nine levels");
  });

  it("gives up at a request's own timeout, which only shortens", async () => {
    const { clock, batcher } = start();
    void ask(batcher, 1);
    const short = askWith(batcher, { timeoutMs: 50 }, 2);
    const long = askWith(batcher, { timeoutMs: 1e9 }, 3);
    await clock.advance(50);
    assert.equal(await short.outcome, "deadline");
    assert.equal(batcher.depth, 1);
    await clock.advance(9950);
    assert.equal(await long.outcome, "deadline");
  });

  it("keeps every executor busy, and replaces only the stuck one", async () => {
    const { ports, clock, batcher } = start({ executors: 2 });
    const [first, second] = ports;
    assert(first !== undefined && second !== undefined);
    const stuck = ask(batcher, 1);
    const done = ask(batcher, 2);
    assert.deepEqual([first.rows, second.rows], [[1], [1]]);
    const waiting = ask(batcher, 3);
    await second.echo();
    assert.deepEqual(await done.outcome, [2]);
    assert.deepEqual([first.rows, second.rows], [[1], [1, 1]]);
    await second.echo();
    assert.deepEqual(await waiting.outcome, [3]);
    await clock.advance(10_000);
    assert.equal(await stuck.outcome, "deadline");
    assert.deepEqual([first.replaced, second.replaced], [1, 0]);
  });

  it("lets no more in at once over all executors than the concurrency says", async () => {
    const { ports, batcher } = start({ executors: 2, concurrencyMax: 1 });
    void ask(batcher, 1);
    void ask(batcher, 2);
    assert.deepEqual(
      ports.map(({ rows }) => rows),
      [[1], []],
    );
    await ports[0]?.echo();
    assert.deepEqual(
      ports.map(({ rows }) => rows),
      [[1, 1], []],
    );
  });

  it("waits for company as long as the latency says, or until the batch is full", async () => {
    const { port, clock, batcher } = start({ batchLatencyMs: 20, batchSizeMax: 3 });
    void ask(batcher, 1);
    await clock.advance(19);
    void ask(batcher, 2);
    assert.deepEqual(port.rows, []);
    await clock.advance(1);
    assert.deepEqual(port.rows, [2], "the first has waited 20 ms");
    await port.echo();
    for (const value of [3, 4, 5]) void ask(batcher, value);
    assert.deepEqual(port.rows, [2, 3], "a full batch waits for nobody");
  });

  it("tells each request of the run it was in", async () => {
    const { port, batcher, clock } = start();
    void ask(batcher, 1);
    const [second, third] = [ask(batcher, 2), ask(batcher, 3)];
    await clock.advance(7);
    await port.echo();
    await port.echo();
    const [one, other] = await Promise.all([second.result, third.result]);
    assert.equal(one.run, other.run);
    assert.deepEqual(one.run, { startedAtMs: 7, ms: 5, requests: 2, rows: 2 });
    assert.equal(one.queueMs, 7);
  });
});
