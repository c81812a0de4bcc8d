import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { jsonLine, textLine, type ServeEvent } from "./events.ts";

const style = { colour: false, nameWidth: 5 };
const service = "iris";
const crash: ServeEvent = {
  event: "crashed",
  service,
  replica: 2,
  reason: "ModelNotFound",
  message: "no model (exit code 66)",
  exitCode: 66,
  restartInMs: 2000,
  lost: 3,
};

describe("textLine", () => {
  const url = "http://127.0.0.1:8080";
  const rows: [event: ServeEvent, text: string][] = [
    [{ event: "listening", url, predictor: "p" }, `listening on ${url}`],
    [
      { event: "serving", service, url, minReplicas: 0, maxReplicas: 2 },
      `at zero, the first request starts it: ${url}`,
    ],
    [{ event: "serving", service, url, minReplicas: 2, maxReplicas: 2 }, `starting 2: ${url}`],
    [{ event: "notice", message: "by the way" }, "by the way"],
    [{ event: "cold-start", service, waiting: 1 }, "cold start began, 1 request held"],
    [
      { event: "ready", service, replica: 1, pid: 7, tookMs: 354, waiting: 2 },
      "process 1 ready after 0.35 s (pid 7), 2 requests let in",
    ],
    [{ event: "scaled", service, from: 1, to: 2, why: "load" }, "scaled up from 1 to 2: load"],
    [{ event: "scaled", service, from: 2, to: 1, why: "load" }, "scaled down from 2 to 1: load"],
    [
      { event: "scaled-to-zero", service, idleMs: 60_000 },
      "scaled to zero after 60 s without a request",
    ],
    [
      crash,
      "process 2 crashed: ModelNotFound: no model (exit code 66); 3 requests answered 503; not started again for 2.00 s",
    ],
    [
      { ...crash, restartInMs: 0, lost: 0 },
      "process 2 crashed: ModelNotFound: no model (exit code 66); started again when needed",
    ],
    [{ event: "refused", service, count: 2, message: "full" }, "2 requests answered 503: full"],
    [{ event: "timed-out", service, count: 1, message: "late" }, "1 request answered 504: late"],
    [
      { event: "killed", service, replica: 1, afterMs: 5000 },
      "process 1 killed: still there 5.00 s after SIGTERM",
    ],
    [{ event: "output", service, replica: 1, line: "hello" }, "1 | hello"],
    [
      { event: "draining", cause: "Ctrl-C", inside: 0 },
      "Ctrl-C: no new requests; none in flight; once more ends at once",
    ],
    [{ event: "stopped", tookMs: 100 }, "stopped after 0.10 s"],
  ];
  for (const [event, text] of rows) {
    it(text, () => {
      const name = "service" in event ? "iris " : "     ";
      assert.equal(textLine(event, 12_345.6, style), `   12.35s  ${name}  ${text}`);
    });
  }

  it("lets no control character of a predictor through to the terminal", () => {
    const event: ServeEvent = { event: "output", service, replica: 1, line: "\u001b[2Ja\nb\u0007" };
    assert.equal(textLine(event, 0, style), "    0.00s  iris   1 | ?[2Ja / b?");
  });

  it("colours on a terminal only", () => {
    const line = textLine(crash, 0, { ...style, colour: true });
    assert.ok(line.includes("\u001b[31mprocess 2 crashed"));
    assert.ok(line.endsWith("\u001b[0m"));
  });
});

describe("jsonLine", () => {
  it("has time, level, and the event's own fields", () => {
    assert.deepEqual(JSON.parse(jsonLine(crash, 12.345, new Date(0))), {
      time: "1970-01-01T00:00:00.000Z",
      elapsedMs: 12.3,
      level: "error",
      ...crash,
    });
  });
});
