/** What becomes of a question that can't be passed to the thread of the tasks. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import type { Work } from "../../batch/batcher.ts";
import { systemClock } from "../../batch/port.ts";
import { importRuntime, openSession } from "../../executor/session.ts";
import { fixtures } from "../testing/local-task.ts";
import { TaskHost } from "./host.ts";

/** A host whose runs nobody answers, and what it asks of its surroundings. */
async function open() {
  const path = join(fixtures, "text-classification/onnx/model.onnx");
  const runtime = await importRuntime();
  const { signature } = await openSession(runtime, { path, threads: 1, optimization: "all" });
  const runs: Work[] = [];
  const timers: { ms: number; due: () => void }[] = [];
  const arrived: (() => void)[] = [];
  const host = await TaskHost.open({
    model: { task: "text-classification", modelPath: path, graphs: { model: signature } },
    graphs: new Map([
      [
        "model",
        {
          signature,
          submit: (work) => {
            runs.push(work);
            for (const each of arrived.splice(0)) each();
            return { result: new Promise(() => {}), cancel: () => {} };
          },
        },
      ],
    ]),
    timeoutMs: 1000,
    loadTimeoutMs: 60_000,
    questionsMax: 3,
    clock: {
      ...systemClock,
      after: (ms, due) => {
        timers.push({ ms, due });
        return () => {};
      },
    },
    onRestart: () => {},
  });
  timers.length = 0;
  const ran = async (count: number): Promise<void> => {
    while (runs.length < count) await new Promise<void>((resolve) => arrived.push(resolve));
  };
  return { host, runs, timers, ran };
}

describe("questions with a time and a priority of their own", () => {
  const texts = { requests: [{ text: "a" }], parameters: {} };

  it("are over when it is, or the server's where that is shorter", async () => {
    const { host, timers } = await open();
    const asked = [{ timeoutMs: 7 }, { timeoutMs: 5000 }, {}].map((each) =>
      host.ask({ ...texts, ...each }),
    );
    assert.deepEqual(
      timers.map(({ ms }) => ms),
      [7, 1000, 1000],
    );
    for (const { due } of timers.slice(0, 3)) due();
    const codes = ["timed-out", "deadline", "deadline"];
    for (const [index, code] of codes.entries()) {
      await assert.rejects(asked[index]?.answered ?? assert.fail(), { code });
    }
    await host.close();
  });

  it("hand their priority to each of their runs", async () => {
    const { host, runs, ran } = await open();
    host.ask({ ...texts, priority: 3 });
    await ran(1);
    host.ask(texts);
    await ran(2);
    assert.deepEqual(
      runs.map(({ priority }) => priority),
      [3, undefined],
    );
    await host.close();
  });
});

describe("questions to the thread of a task", () => {
  const waits = new Set<() => void>();
  let host: TaskHost;
  before(async () => {
    const path = join(fixtures, "text-classification/onnx/model.onnx");
    const runtime = await importRuntime();
    const { signature } = await openSession(runtime, { path, threads: 1, optimization: "all" });
    const submit = (): never => assert.fail("nothing runs here");
    host = await TaskHost.open({
      model: { task: "text-classification", modelPath: path, graphs: { model: signature } },
      graphs: new Map([["model", { signature, submit }]]),
      timeoutMs: 1000,
      loadTimeoutMs: 60_000,
      questionsMax: 1,
      clock: {
        ...systemClock,
        after: (_ms, action) => {
          waits.add(action);
          return () => waits.delete(action);
        },
      },
      onRestart: (reason) => assert.fail(reason),
    });
  });
  after(async () => host.close());

  it("that it can't be given are answered at once, and leave no place taken, no timer", async () => {
    for (let time = 0; time < 3; time++) {
      const unclonable = { top_k: () => 1 };
      const { answered } = host.ask({ requests: [{ text: "a" }], parameters: unclonable });
      await assert.rejects(answered, { code: "failed", message: /can't be passed on/ });
    }
    assert.equal(waits.size, 0);
  });

  it("that were taken back end, whatever the thread was at: it has an ear for others", async () => {
    for (let time = 0; time < 3; time++) {
      const { answered, cancel } = host.ask({ requests: [{ text: "a" }], parameters: {} });
      cancel();
      await assert.rejects(answered, { code: "gone" });
    }
    // What would replace a thread that doesn't listen.
    while (waits.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});
