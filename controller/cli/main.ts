/** The program `pilotlight`: the process around runCli. */
import { runCli } from "./cli.ts";
import type { Terminal } from "./command.ts";

const terminal: Terminal = {
  env: process.env,
  // https://no-color.org
  colour: process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "",
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

// Not process.exit(): what was written to a pipe may still be on its way.
void runCli(process.argv.slice(2), terminal).then((code) => {
  process.exitCode = code;
});
