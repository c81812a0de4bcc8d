import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { CommandError, runCommand, tail } from "./command.ts";

const node = async (script: string, options = {}): ReturnType<typeof runCommand> =>
  runCommand(process.execPath, ["-e", script], options);

describe("runCommand", () => {
  it("passes input and returns both outputs", async () => {
    const result = await node("process.stdin.pipe(process.stdout); console.error('aside')", {
      input: "text",
    });
    assert.deepEqual(result, { exitCode: 0, stdout: "text", stderr: "aside\n" });
  });

  it("throws with the code and the last lines", async () => {
    const script = "for (let i = 0; i < 50; i++) console.error('line ' + i); process.exitCode = 3";
    await assert.rejects(node(script), (error) => {
      assert.ok(error instanceof CommandError);
      assert.match(error.message, /: exit code 3\nline 35\n[^]*line 49$/);
      assert.equal(error.result?.exitCode, 3);
      return true;
    });
  });

  it("returns a failure that is tolerated", async () => {
    assert.equal((await node("process.exitCode = 3", { tolerate: true })).exitCode, 3);
  });

  it("kills what takes too long, tolerated or not", async () => {
    const options = { timeoutMs: 100, tolerate: true };
    await assert.rejects(node("setInterval(() => {}, 1000)", options), /killed by SIGKILL/);
  });

  it("says that a command is not there", async () => {
    await assert.rejects(runCommand("/nonexistent", []), (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal((error.cause as NodeJS.ErrnoException).code, "ENOENT");
      return true;
    });
  });
});

describe("tail", () => {
  it("keeps the last lines", () => {
    assert.equal(tail("a\nb\nc\n", 2), "b\nc");
  });
});
