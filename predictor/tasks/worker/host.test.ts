/** What becomes of a question that can't be passed to the thread of the tasks. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { systemClock } from "../../batch/port.ts";
import { importRuntime, openSession } from "../../executor/session.ts";
import { fixtures } from "../testing/local-task.ts";
import { TaskHost } from "./host.ts";

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
