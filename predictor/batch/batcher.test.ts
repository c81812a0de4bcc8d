import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { isClose } from "../executor/probe.ts";
import { importRuntime, openSession } from "../executor/session.ts";
import type { Session } from "../executor/session.ts";
import { inOnePiece } from "../protocol/tensor.ts";
import type { Tensor } from "../protocol/tensor.ts";
import { Batcher } from "./batcher.ts";
import type { RunPort } from "./port.ts";
import { ask, FakeClock, limits, row, start } from "./testing/fakes.ts";

describe("the batcher", () => {
  it("runs at once when idle, and joins what waited", async () => {
    const { port, batcher } = start();
    const first = ask(batcher, 1);
    assert.deepEqual(port.rows, [1], "dispatched in the same turn");
    const others = [ask(batcher, 2), ask(batcher, 3)];
    await port.echo();
    assert.deepEqual(port.rows, [1, 2]);
    await port.echo();
    assert.deepEqual(await first.outcome, [1]);
    assert.deepEqual(await Promise.all(others.map(async (each) => each.outcome)), [[2], [3]]);
  });

  it("answers a batch of a long run one by one, so that others get their turns between", async () => {
    const { port, clock, batcher } = start();
    void ask(batcher, 1);
    const answered: number[] = [];
    for (const value of [2, 3, 4]) {
      void ask(batcher, value).outcome.then(() => answered.push(value));
    }
    await port.echo();
    await port.echo(50);
    const next = ask(batcher, 5);
    assert.deepEqual(port.rows, [1, 3, 1], "the executor doesn't wait for that");
    assert.deepEqual(answered, [], "what starts the next run is a turn of its own");
    await clock.turn();
    assert.deepEqual(answered, [2]);
    await clock.turn();
    assert.deepEqual(answered, [2, 3]);
    await clock.turn();
    assert.deepEqual(answered, [2, 3, 4]);
    await port.echo(50);
    assert.deepEqual(await next.outcome, [5], "one alone is answered at once");
  });

  it("runs requests of other shapes apart, and everything apart when the model takes no batch", async () => {
    const shapes = start();
    for (const values of [[1], [2], [3, 3], [4]]) void ask(shapes.batcher, ...values);
    for (let run = 0; run < 3; run++) await shapes.port.echo();
    assert.deepEqual(shapes.port.rows, [1, 2, 1]);
    const single = start({ batchable: false });
    for (const value of [1, 2, 3]) void ask(single.batcher, value);
    for (let run = 0; run < 3; run++) await single.port.echo();
    assert.deepEqual(single.port.rows, [1, 1, 1]);
  });

  it("lets no more in at once than the concurrency says", async () => {
    const { port, batcher } = start({ concurrencyMax: 2 });
    for (const value of [1, 2, 3, 4]) void ask(batcher, value);
    await port.echo();
    assert.deepEqual(port.rows, [1, 2]);
  });

  it("refuses what doesn't fit the queue, by number and by bytes", async () => {
    const { batcher } = start();
    const asked = [1, 2, 3, 4, 5, 6].map((value) => ask(batcher, value));
    assert.equal(await asked[5]?.outcome, "overloaded");
    assert.equal(batcher.depth, 4);
    const large = start({ queueBytesMax: 6 });
    const two = [1, 2, 3].map((value) => ask(large.batcher, value));
    assert.equal(await two[2]?.outcome, "overloaded");
  });

  it("takes one request when idle even without a queue", async () => {
    const { port, batcher } = start({ queueDepthMax: 0 });
    const first = ask(batcher, 1);
    assert.equal(await ask(batcher, 2).outcome, "overloaded");
    await port.echo();
    assert.deepEqual(await first.outcome, [1]);
  });

  it("forgets a client that left the queue", async () => {
    const { port, batcher } = start();
    void ask(batcher, 1);
    const leaving = ask(batcher, 2);
    leaving.cancel();
    assert.equal(await leaving.outcome, "gone");
    assert.equal(batcher.depth, 0);
    await port.echo();
    assert.deepEqual(port.rows, [1], "what nobody waits for doesn't run");
  });

  it("lets a client leave a run without disturbing its neighbours", async () => {
    const { port, batcher } = start();
    void ask(batcher, 1);
    const [leaving, staying] = [ask(batcher, 2), ask(batcher, 3)];
    await port.echo();
    leaving.cancel();
    await port.echo();
    assert.equal(await leaving.outcome, "gone");
    assert.deepEqual(await staying.outcome, [3]);
    assert.equal(port.replaced, 0);
  });

  it("retries a failed batch one by one, so that the poisoned request fails alone", async () => {
    const { port, batcher } = start();
    void ask(batcher, 0);
    const asked = [1, 2, 3].map((value) => ask(batcher, value));
    await port.echo();
    await port.end({ kind: "refused", reason: "Status Message: out of bounds" });
    await port.echo();
    await port.end({ kind: "refused", reason: "Status Message: index out of bounds /src/x.cc:1" });
    await port.echo();
    assert.deepEqual(port.rows, [1, 3, 1, 1, 1]);
    assert.deepEqual(await asked[0]?.outcome, [1]);
    assert.equal(await asked[1]?.outcome, "invalid");
    assert.deepEqual(await asked[2]?.outcome, [3]);
  });

  it("retries one by one when the outputs haven't a row per row", async () => {
    const { port, batcher } = start();
    void ask(batcher, 0);
    const asked = [ask(batcher, 1), ask(batcher, 2)];
    await port.echo();
    await port.end({ kind: "done", outputs: [row(9)], ms: 1 });
    assert.deepEqual(port.rows, [1, 2, 1]);
    await port.echo();
    await port.echo();
    assert.deepEqual(await Promise.all(asked.map(async (each) => each.outcome)), [[1], [2]]);
  });

  it("answers the deadline to a stuck run, replaces the executor, and keeps who waited", async () => {
    const { port, clock, batcher } = start();
    const stuck = ask(batcher, 1);
    await clock.advance(6000);
    const waiting = ask(batcher, 2);
    await clock.advance(4000);
    assert.equal(await stuck.outcome, "deadline");
    assert.equal(port.replaced, 1);
    await port.end({ kind: "died" });
    assert.equal(port.runs.length, 1, "nothing runs before the executor is back");
    port.comeUp();
    await port.echo();
    assert.deepEqual(await waiting.outcome, [2]);
  });

  it("gives waiting requests up at their deadline", async () => {
    const { clock, batcher } = start();
    void ask(batcher, 1);
    const waiting = ask(batcher, 2);
    await clock.advance(10_000);
    assert.equal(await waiting.outcome, "deadline");
    assert.equal(batcher.depth, 0);
  });

  it("doesn't replace an executor because the queue ate the time", async () => {
    const { port, clock, batcher } = start({ batchable: false });
    void ask(batcher, 1);
    const late = ask(batcher, 2);
    await clock.advance(9900);
    await port.echo();
    await clock.advance(200);
    assert.equal(await late.outcome, "deadline");
    assert.equal(port.replaced, 0, "it has run for 200 ms only");
    await clock.advance(900);
    assert.equal(port.replaced, 1);
  });

  it("replaces an executor soon when everybody has left a run that doesn't end", async () => {
    const { port, clock, batcher } = start();
    void ask(batcher, 0);
    await port.echo();
    const endless = ask(batcher, 1);
    await clock.advance(700);
    endless.cancel();
    assert.equal(await endless.outcome, "gone");
    const waiting = ask(batcher, 2);
    await clock.advance(299);
    assert.equal(port.replaced, 0, "it has a time of its own");
    await clock.advance(1);
    endless.cancel();
    assert.equal(port.replaced, 1);
    await port.end({ kind: "died" });
    port.comeUp();
    await port.echo();
    assert.deepEqual(await waiting.outcome, [2]);
  });

  it("is more patient with the first run, whoever has left", async () => {
    const { port, clock, batcher } = start({ timeoutMs: 60_000 });
    ask(batcher, 1).cancel();
    await clock.advance(9999);
    assert.equal(port.replaced, 0);
    await clock.advance(1);
    assert.equal(port.replaced, 1);
  });

  it("tries again to replace what wasn't in memory yet", async () => {
    const { port, clock, batcher } = start();
    void ask(batcher, 1);
    await clock.advance(19_999);
    assert.equal(port.replaced, 1);
    await clock.advance(1);
    assert.equal(port.replaced, 2);
  });

  it("leaves a run alone while anybody waits for it", async () => {
    const { port, clock, batcher } = start();
    void ask(batcher, 0);
    const asked = [ask(batcher, 1), ask(batcher, 2)];
    await port.echo();
    asked[0]?.cancel();
    await clock.advance(9000);
    assert.equal(port.replaced, 0);
    await port.echo();
    assert.deepEqual(await asked[1]?.outcome, [2]);
  });

  it("blames a crash on the request that ran alone", async () => {
    const { port, batcher } = start();
    const first = ask(batcher, 1);
    const second = ask(batcher, 2);
    port.up = false;
    await port.end({ kind: "died" });
    assert.equal(await first.outcome, "failed");
    port.comeUp();
    await port.echo();
    assert.deepEqual(await second.outcome, [2]);
  });
});

describe("batched and single", () => {
  let session: Session;
  before(async () => {
    const path = fileURLToPath(new URL("../../examples/iris/model/iris.onnx", import.meta.url));
    session = await openSession(await importRuntime(), { path, threads: 1, optimization: "all" });
  });
  after(async () => session.release());

  /** The batcher over a real session of the iris model. */
  function overSession(): Batcher {
    let running = false;
    let ready: () => void = () => {};
    const port: RunPort = {
      ready: () => !running,
      replace: () => assert.fail("nothing is stuck here"),
      onReady: (listener) => (ready = listener),
      run: async (inputs, outputs) => {
        running = true;
        const result = await session.run(inputs.map(inOnePiece), outputs);
        running = false;
        ready();
        return { kind: "done", outputs: result, ms: 1 };
      },
    };
    const observer = { waiting: () => {}, ran: () => {} };
    const roomy = { ...limits, queueDepthMax: 1000, queueBytesMax: 1e9 };
    return new Batcher({
      ports: [port],
      model: { signature: session.signature, batchable: true },
      limits: roomy,
      clock: new FakeClock(),
      observer,
    });
  }

  it("give the same, to within one part in a thousand", async () => {
    const outputs = ["probabilities", "label"];
    const measurement = fc.float({ min: 0, max: 10, noNaN: true });
    const rows = fc.array(fc.tuple(measurement, measurement, measurement, measurement), {
      minLength: 1,
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(rows, { minLength: 1, maxLength: 12 }), async (requests) => {
        const batcher = overSession();
        const inputs = requests.map((request): Tensor[] => {
          const data = new Uint8Array(Float32Array.from(request.flat()).buffer);
          return [{ name: "input", datatype: "FP32", shape: [request.length, 4], data }];
        });
        const tickets = inputs.map((each) => batcher.submit({ inputs: each, outputs }).result);
        const batched = await Promise.all(tickets);
        for (const [index, each] of inputs.entries()) {
          const single = await session.run(each, outputs);
          single.forEach((tensor, output) => {
            assert(isClose(tensor, batched[index]?.outputs[output]), `${tensor.name} differs`);
          });
        }
      }),
      { numRuns: 50 },
    );
  });
});
