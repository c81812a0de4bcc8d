import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { createLog, type LogLevel } from "./log.ts";

function logged(level: LogLevel, write: (log: ReturnType<typeof createLog>) => void): unknown[] {
  const lines: unknown[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  write(createLog({ level, name: "controller", destination }));
  return lines;
}

describe("log", () => {
  it("writes one object per line: level as a word, ts, msg, fields", () => {
    const [line] = logged("info", (log) => log.warn({ key: "default/iris" }, "told"));
    const { ts, ...rest } = line as { ts: string };
    assert.deepEqual(rest, { level: "warn", name: "controller", key: "default/iris", msg: "told" });
    assert.equal(new Date(ts).toISOString(), ts);
  });

  it("keeps the type and cause of an error", () => {
    const err = new Error("outer", { cause: new Error("inner") });
    const [line] = logged("info", (log) => log.error({ err }, "failed"));
    const text = JSON.stringify(line);
    assert.match(text, /outer/);
    assert.match(text, /inner/);
  });

  it("hides credentials, and what is below its level", () => {
    const lines = logged("info", (log) => {
      log.debug({}, "too fine");
      log.info({ headers: { authorization: "Bearer secret" }, user: { token: "secret" } }, "call");
    });
    assert.equal(lines.length, 1);
    assert.doesNotMatch(JSON.stringify(lines), /secret/);
  });
});
