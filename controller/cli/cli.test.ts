import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { EXIT } from "./command.ts";
import { runCommand as run } from "./testing/terminal.ts";

describe("pilotlight", () => {
  const faults = [
    {
      args: ["sevre"],
      err: 'pilotlight: unknown command "sevre"; did you mean serve? (pilotlight --help)\n',
      code: 64,
    },
    {
      args: ["deploy-it"],
      err: 'pilotlight: unknown command "deploy-it"; commands: serve, render, convert, check, status, history, rollback (pilotlight --help)\n',
      code: 64,
    },
    {
      args: ["--versoin"],
      err: "pilotlight: unknown flag --versoin; commands: serve, render, convert, check, status, history, rollback (pilotlight --help)\n",
      code: 64,
    },
    {
      args: ["serve", "--prot", "1", "x.onnx"],
      err: "pilotlight serve: unknown flag --prot; did you mean --port? (pilotlight serve --help)\n",
      code: 64,
    },
    {
      args: ["serve"],
      err: "pilotlight serve: nothing to serve: give a manifest with -f, or a model (pilotlight serve --help)\n",
      code: 64,
    },
    {
      args: ["serve", "-f"],
      err: "pilotlight serve: Option '-f, --filename <value>' argument missing (pilotlight serve --help)\n",
      code: 64,
    },
    {
      args: ["serve", "/nowhere/m.onnx"],
      err: "pilotlight serve: no model at /nowhere/m.onnx: no such file or folder\n",
      code: 66,
    },
    {
      args: ["serve", "-f", "/nowhere/isvc.yaml"],
      err: "pilotlight serve: cannot read /nowhere/isvc.yaml: ENOENT: no such file or directory, stat '/nowhere/isvc.yaml'\n",
      code: 66,
    },
  ];
  for (const { args, err, code } of faults) {
    it(`${args.join(" ")} is answered in one line, with ${code}`, async () => {
      assert.deepEqual(await run(...args), { code, out: "", err });
    });
  }

  it("--help lists the commands, and so does nothing at all, as a fault", async () => {
    const help = await run("--help");
    assert.equal(help.code, 0);
    assert.match(help.out, /^Usage: pilotlight COMMAND/);
    assert.match(help.out, /^ {2}serve +\S/m);
    const nothing = await run();
    assert.deepEqual(nothing, { code: 64, out: "", err: help.out });
  });

  it("help of a command is the same by all its names", async () => {
    const texts = [
      await run("serve", "--help"),
      await run("serve", "-h"),
      await run("help", "serve"),
    ];
    for (const { code, out } of texts) {
      assert.equal(code, 0);
      assert.match(out, /^Usage: pilotlight serve -f FILE/);
      assert.equal(out, texts[0]?.out);
    }
  });

  it("docs/cli.md has every command and every exit code", async () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");
    const commands = [...(await run("--help")).out.matchAll(/^ {2}([a-z]+) +\S/gm)];
    assert.notEqual(commands.length, 0);
    for (const [, command] of commands) {
      assert.ok(page.includes(`| \`${command}\` | `), `docs/cli.md has no row for ${command}`);
    }
    for (const code of Object.values(EXIT)) {
      assert.ok(page.includes(`\n| ${code} | `), `docs/cli.md has no row for ${code}`);
    }
  });

  it("--version is that of package.json", async () => {
    const { code, out } = await run("--version");
    assert.equal(code, 0);
    assert.match(out, /^pilotlight \d+\.\d+\.\d+\n$/);
  });
});
