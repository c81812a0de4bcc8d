/** `pilotlight serve`: the process around startServing: flags, lines, signals. */
import { existsSync } from "node:fs";
import path from "node:path";
import { CliError, EXIT, type Command, type Terminal } from "../command.ts";
import { findInstallation, findPredictor } from "../installation.ts";
import { jsonLine, textLine, type LogFormat, type Report } from "./events.ts";
import { loadPlans } from "./load.ts";
import { parseServeFlags, SERVE_HELP } from "./options.ts";
import { startServing, type Serving } from "./serve.ts";

export const serveCommand: Command = {
  help: SERVE_HELP,
  async run(args, terminal) {
    const flags = parseServeFlags(args);
    const installation = findInstallation(import.meta.url).root;
    const { env } = terminal;
    const { plans, notices } = loadPlans({ ...flags, installation, env });
    const predictor = choosePredictor(flags.predictor, installation);
    const report = reporter(terminal, flags.logFormat, plans);
    for (const notice of notices) {
      report({ event: "notice", ...notice });
    }
    const serving = await startServing({ ...flags, plans, predictor, env, report });
    return await untilSignal(serving);
  },
};

/** The program that --predictor names, or Pilotlight's own. */
export function choosePredictor(given: string | undefined, installation: string): string {
  if (given !== undefined) {
    const file = path.resolve(given);
    if (!existsSync(file)) {
      throw new CliError(EXIT.noInput, `no program at ${given} (--predictor)`);
    }
    return file;
  }
  const found = findPredictor(import.meta.url, installation);
  if (found === undefined) {
    throw new CliError(
      EXIT.software,
      `no predictor.cjs beside this program and no predictor/main.ts in ${installation}: build it with npm run build`,
    );
  }
  return found;
}

/** Writes each event as a line, with the time since now. */
export function reporter(
  terminal: Terminal,
  format: LogFormat,
  services: readonly { readonly name: string }[],
): Report {
  const startMs = performance.now();
  const nameWidth = Math.max(0, ...services.map(({ name }) => name.length));
  const style = { colour: terminal.colour, nameWidth };
  return (event) => {
    const elapsedMs = performance.now() - startMs;
    const line =
      format === "json"
        ? jsonLine(event, elapsedMs, new Date())
        : textLine(event, elapsedMs, style);
    terminal.out(`${line}\n`);
  };
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const CAUSES: Readonly<Record<string, string>> = {
  SIGINT: "Ctrl-C",
  SIGTERM: "SIGTERM",
  SIGHUP: "the terminal was closed",
};
const SIGINT_EXIT_CODE = 130;

/**
 * Resolves with the exit code once a signal came, or `stop` resolved with what is the cause then, and everything is ended;
 * a second signal ends at once.
 */
export async function untilSignal(serving: Serving, stop?: Promise<string>): Promise<number> {
  // Whatever ends this program, a fault of its own included: its processes go with it.
  const onExit = (): void => serving.kill();
  process.once("exit", onExit);
  const cause = await new Promise<string>((resolve) => {
    for (const signal of SIGNALS) {
      process.once(signal, () => resolve(CAUSES[signal] ?? signal));
    }
    // Nobody reads the lines any more: `pilotlight serve | head`.
    process.stdout.on("error", () => resolve("standard output was closed"));
    void stop?.then(resolve);
  });
  const atOnce = (): void => {
    serving.kill();
    process.exit(SIGINT_EXIT_CODE);
  };
  SIGNALS.forEach((signal) => process.on(signal, atOnce));
  await serving.drain(cause);
  SIGNALS.forEach((signal) => process.off(signal, atOnce));
  process.off("exit", onExit);
  return EXIT.ok;
}
