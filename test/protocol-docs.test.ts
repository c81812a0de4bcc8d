/** The examples of docs/protocol.md, as a reader would run them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { runCommand } from "../hack/go/command.ts";
import { irisPath, TestPredictor } from "../predictor/testing/test-predictor.ts";

const ROOT = join(import.meta.dirname, "..");
const text = readFileSync(join(ROOT, "docs/protocol.md"), "utf8");

/** `$ command` and the line that it answers. */
const examples = [...text.matchAll(/```console\n(.*?)```/gs)].flatMap(([, block = ""]) =>
  block
    .split(/^\$ /m)
    .filter((part) => part !== "")
    .map((part) => {
      const [command = "", ...answer] = part.trimEnd().split("\n");
      return { command, answer: answer.join("\n") };
    }),
);

/** Another processor may round the last digits another way. */
function parsed(json: string): unknown {
  return JSON.parse(json, (_, value: unknown) =>
    typeof value === "number" ? Number(value.toFixed(4)) : value,
  );
}

const token = "let-me-in";
let iris: TestPredictor;
before(async () => {
  iris = await TestPredictor.serving({
    STORAGE_URI: irisPath,
    ADMIN_PORT: "0",
    ADMIN_TOKEN: token,
  });
});
after(async () => iris[Symbol.asyncDispose]());

describe("docs/protocol.md", () => {
  it("has examples", () => assert(examples.length >= 7));
  for (const { command, answer } of examples) {
    it(command.slice(0, 70), async () => {
      const ports = iris.log.map((line) => (line as { adminPort?: number }).adminPort);
      const admin = `http://127.0.0.1:${ports.find((port) => port !== undefined)}`;
      const env = { ...process.env, URL: iris.url, ADMIN: admin, TOKEN: token };
      const { stdout } = await runCommand("sh", ["-c", command], { env });
      // Bytes that follow the JSON are cut off; a whole answer is compared as JSON.
      if (command.includes("head -c")) assert.equal(stdout, answer);
      else assert.deepEqual(parsed(stdout), parsed(answer));
    });
  }
});
