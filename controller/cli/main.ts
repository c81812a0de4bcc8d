/** The program `pilotlight`: the process around runCli. */
import { basename } from "node:path";
import { runCli } from "./cli.ts";
import { EXIT, type Terminal } from "./command.ts";

// kubectl runs a plugin by the name of its file.
const isPlugin = basename(process.argv[1] ?? "").startsWith("kubectl-");
const terminal: Terminal = {
  env: process.env,
  program: isPlugin ? "kubectl pilotlight" : "pilotlight",
  // https://no-color.org
  colour: process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "",
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

const NODE_MAJOR_MIN = 24;
const major = Number(process.versions.node.split(".")[0]);

if (major < NODE_MAJOR_MIN) {
  const found = `this is ${process.versions.node} (${process.execPath})`;
  terminal.err(`pilotlight: needs Node ${NODE_MAJOR_MIN} or later; ${found}\n`);
  process.exitCode = EXIT.unavailable;
} else {
  // Not process.exit(): what was written to a pipe may still be on its way.
  void runCli(process.argv.slice(2), terminal).then((code) => {
    process.exitCode = code;
  });
}
