/** The committed answers of Python's transformers are those that it gives: they are made anew. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { runCommand } from "../../hack/go/command.ts";
import { ensureTasksPython, tasksPythonHindrance } from "../../hack/tasks/environment.ts";
import { taskNames } from "../../predictor/tasks/names.ts";
import { fixtures } from "../../predictor/tasks/testing/local-task.ts";

describe("the fixtures of tasks", () => {
  let folder = "";
  before(async function makeAnew() {
    if ((await tasksPythonHindrance()) !== undefined) this.skip();
    this.timeout(1_800_000);
    const { python, env } = await ensureTasksPython();
    folder = await mkdtemp(join(tmpdir(), "pilotlight-fixtures-"));
    await cp(fixtures, folder, { recursive: true });
    const script = join(import.meta.dirname, "../../hack/tasks/fixtures.py");
    await runCommand(python, [script, folder], { env });
  });
  after(async () => rm(folder, { recursive: true, force: true }));

  for (const name of taskNames) {
    it(`of ${name} are what transformers answers`, async () => {
      const read = async (where: string): Promise<unknown> =>
        rounded(JSON.parse(await readFile(join(where, name, "expected.json"), "utf8")));
      assert.deepEqual(await read(folder), await read(fixtures));
    });
  }
});

/** Processors differ in the last digits of a float32. */
function rounded(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? value : value.toPrecision(3);
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, rounded(each)]));
}
