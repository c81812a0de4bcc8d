import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Tensor, TensorSpec } from "../protocol/tensor.ts";
import type { Batcher } from "./batcher.ts";
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
    assert.equal(await short.outcome, "timed-out", "the client's own, and no fault of the model");
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

describe("the batcher of a token model", () => {
  const dims = { shape: [-1, -1], dimensionNames: ["batch", "sequence"] };
  const signature = {
    inputs: ["input_ids", "attention_mask"].map((name): TensorSpec => ({
      name,
      datatype: "UINT8",
      ...dims,
    })),
    outputs: [{ name: "input_ids", datatype: "UINT8", ...dims } satisfies TensorSpec],
  };
  const wishes = { batchSizeMax: 32, queueDepthMax: 99, model: { signature, padding: true } };

  /** A request of so many tokens, each its number. */
  const askFor = (batcher: Batcher, length: number) => {
    const data = Uint8Array.from({ length }, (_, index) => index + 1);
    const tensor = (name: string): Tensor => ({
      name,
      datatype: "UINT8",
      shape: [1, length],
      data,
    });
    const inputs = ["input_ids", "attention_mask"].map(tensor);
    return batcher.submit({ inputs, outputs: ["input_ids"] }).result;
  };

  /** Runs alone, of different lengths, until the costs are known. */
  async function learn(started: ReturnType<typeof start>, ms: (tokens: number) => number) {
    for (let run = 0; run < 70; run++) {
      const length = [8, 32, 64, 16, 100, 50][run % 6] ?? 8;
      const result = askFor(started.batcher, length);
      await started.port.echo(ms(length));
      await result;
    }
    started.port.runs.length = 0;
  }

  it("pads where a run costs more than the padding, and cuts the results back", async () => {
    const started = start(wishes);
    const { port, batcher } = started;
    await learn(started, () => 20);
    const results = [5, 3, 8].map(async (length) => askFor(batcher, length));
    await port.echo();
    await port.echo();
    assert.deepEqual(port.rows, [1, 2]);
    const lengths = (await Promise.all(results)).map(({ outputs }) => outputs[0]?.shape);
    assert.deepEqual(lengths, [
      [1, 5],
      [1, 3],
      [1, 8],
    ]);
    assert.deepEqual([...((await results[1])?.outputs[0]?.data ?? [])], [1, 2, 3]);
  });

  it("doesn't where only tokens cost", async () => {
    const started = start(wishes);
    const { port, batcher } = started;
    await learn(started, (tokens) => tokens);
    const results = [5, 3, 8, 3].map(async (length) => askFor(batcher, length));
    for (let run = 0; run < 3; run++) await port.echo();
    assert.deepEqual(port.rows, [1, 2, 1]);
    await Promise.all(results);
  });

  for (const { lengths, lone, why } of [
    { lengths: [5, 3, 8], lone: 1, why: "where it pads, runs one alone now and then" },
    {
      lengths: [5, 5, 5],
      lone: 0,
      why: "of equal lengths, lets nobody wait for one that explores",
    },
  ]) {
    it(why, async () => {
      const started = start(wishes);
      const { port, batcher } = started;
      await learn(started, () => 20);
      const results = [askFor(batcher, 5)];
      for (let run = 0; run < 40; run++) {
        results.push(...lengths.map(async (length) => askFor(batcher, length)));
        await port.echo();
      }
      const [first, ...rows] = port.rows;
      assert.equal(first, 1);
      assert.equal(rows.filter((each) => each === 1).length, lone, rows.join(" "));
      while (batcher.depth > 0) await port.echo();
      await port.echo();
      await Promise.all(results);
    });
  }
});
