import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { runCommand } from "../go/command.ts";
import { bundle } from "./bundle.ts";

const source = `
class OddError extends Error {}
function outer(): string {
  const inner = (): string => new OddError("odd").constructor.name;
  return inner.name + " " + inner();
}
console.log(outer());
`;

describe("a bundled program", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-bundle-"));
    await writeFile(join(folder, "main.ts"), source);
    const main = { entry: "main.ts", output: "main.cjs", executable: false };
    const programs = [{ ...main, nodeFlags: [], environment: {} }];
    await bundle({ root: folder, outdir: folder, strict: true, programs });
  });
  after(async () => rm(folder, { recursive: true }));

  it("has the names of its functions and errors, for those who read its stack traces", async () => {
    const { stdout } = await runCommand(process.execPath, [join(folder, "main.cjs")]);
    assert.equal(stdout, "inner OddError\n");
  });

  it("has them from its text: none is given when a closure is made", async () => {
    const text = await readFile(join(folder, "main.cjs"), "utf8");
    assert.doesNotMatch(text, /defineProperty/);
  });
});
