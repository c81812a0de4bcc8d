/** A handler's author has this project's types, as docs/hooks.md tells him to get them. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { runCommand } from "../../hack/go/command.ts";

const ROOT = join(import.meta.dirname, "../..");
const compiler = join(ROOT, "node_modules/typescript/bin/tsc");

describe("pilotlight/handler", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pilotlight-types-"));
    const npm = ["install", "--save-dev", "--offline", "--no-audit", "--no-fund", ROOT];
    await runCommand("npm", npm, { cwd: folder });
  });
  after(async () => rm(folder, { recursive: true }));

  async function complaintsAbout(code: string): Promise<string> {
    await writeFile(
      join(folder, "handler.ts"),
      `import type { Preprocess } from "pilotlight/handler";\n${code}`,
    );
    const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext"];
    const args = [compiler, ...flags, "handler.ts"];
    const { stdout } = await runCommand(process.execPath, args, { cwd: folder, tolerate: true });
    return stdout;
  }

  it("types what a handler is given", async () => {
    const code = "export const preprocess: Preprocess = ({ body }) => ({ body: [body] });";
    assert.equal(await complaintsAbout(code), "");
  });

  it("says what a handler can't do", async () => {
    const code = "export const preprocess: Preprocess = ({ bodies }) => ({ body: bodies });";
    assert.match(await complaintsAbout(code), /'bodies' does not exist on type 'HookRequest'/);
  });
});
