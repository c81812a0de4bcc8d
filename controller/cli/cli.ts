/** `pilotlight COMMAND`: the table of commands, and what is common to them. */
import { CliError, EXIT, type Command, type Terminal } from "./command.ts";
import { findInstallation } from "./installation.ts";
import { nearest } from "./nearest.ts";

interface Entry {
  /** One line for the list of commands. */
  readonly summary: string;
  /** Loaded when asked for: `--help` need not wait for what a command imports. */
  load(): Promise<Command>;
}

/** A command is one file that exports a Command, and one line here. */
const COMMANDS: ReadonlyMap<string, Entry> = new Map([
  [
    "serve",
    {
      summary: "serve models on this machine, from zero and back to zero, without a cluster",
      load: async () => (await import("./serve/command.ts")).serveCommand,
    },
  ],
  [
    "render",
    {
      summary: "print the Knative Services that InferenceServices become, without a cluster",
      load: async () => (await import("./render/command.ts")).renderCommand,
    },
  ],
  [
    "convert",
    {
      summary: "print KServe's manifests as Pilotlight's, without a cluster",
      load: async () => (await import("./convert/command.ts")).convertCommand,
    },
  ],
  [
    "check",
    {
      summary:
        "say what would keep InferenceServices from serving on a cluster, before they are applied",
      load: async () => (await import("./check/command.ts")).checkCommand,
    },
  ],
  [
    "status",
    {
      summary: "say how an InferenceService is, and what ails its pods",
      load: async () => (await import("./rollouts/status.ts")).statusCommand,
    },
  ],
  [
    "history",
    {
      summary: "list the revisions: what served when, who applied it, what became of it",
      load: async () => (await import("./rollouts/history.ts")).historyCommand,
    },
  ],
  [
    "rollback",
    {
      summary: "give all requests back to the revision before, or to one that is named",
      load: async () => (await import("./rollouts/rollback.ts")).rollbackCommand,
    },
  ],
]);

/**
 * Runs the program with the arguments after its name; resolves with the exit code and never
 * rejects.
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const [first, ...rest] = args;
  try {
    if (first === undefined || first === "--help" || first === "-h" || first === "help") {
      return await help(first === "help" ? rest[0] : undefined, terminal, first === undefined);
    }
    if (first === "--version" || first === "-v") {
      terminal.out(`pilotlight ${findInstallation(import.meta.url).version}\n`);
      return EXIT.ok;
    }
    const command = await find(first).load();
    if (rest.includes("--help") || rest.includes("-h")) {
      terminal.out(named(command.help, terminal));
      return EXIT.ok;
    }
    return await command.run(rest, terminal);
  } catch (error) {
    return explain(error, first, terminal);
  }
}

async function help(
  name: string | undefined,
  terminal: Terminal,
  asFault: boolean,
): Promise<number> {
  if (name !== undefined) {
    terminal.out(named((await find(name).load()).help, terminal));
    return EXIT.ok;
  }
  const width = Math.max(...[...COMMANDS.keys()].map((key) => key.length));
  const lines = [...COMMANDS].map(([key, entry]) => `  ${key.padEnd(width)}  ${entry.summary}`);
  const lists = [
    "Usage: pilotlight COMMAND [FLAGS]",
    "",
    "Commands:",
    ...lines,
    "",
    "pilotlight COMMAND --help says more about one; pilotlight --version prints the version.",
    "",
  ];
  const text = named(lists.join("\n"), terminal);
  if (asFault) {
    terminal.err(text);
    return EXIT.usage;
  }
  terminal.out(text);
  return EXIT.ok;
}

function find(name: string): Entry {
  const entry = COMMANDS.get(name);
  if (entry !== undefined) {
    return entry;
  }
  const known = [...COMMANDS.keys()];
  const meant = nearest(name, known);
  const what = name.startsWith("-") ? `unknown flag ${name}` : `unknown command "${name}"`;
  const advice = meant === undefined ? `commands: ${known.join(", ")}` : `did you mean ${meant}?`;
  throw new CliError(EXIT.usage, `${what}; ${advice}`);
}

/** A text that names commands, with the name that this user calls the program by. */
function named(text: string, { program = "pilotlight" }: Terminal): string {
  return text.replaceAll(/(?<![\w./-])pilotlight (?=[A-Z]|--|[a-z]+)/g, `${program} `);
}

function explain(error: unknown, name: string | undefined, terminal: Terminal): number {
  if (error instanceof CliError) {
    const own = terminal.program ?? "pilotlight";
    const program = name !== undefined && COMMANDS.has(name) ? `${own} ${name}` : own;
    const hint = error.exitCode === EXIT.usage ? ` (${program} --help)` : "";
    terminal.err(`${program}: ${error.message}${hint}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.err(`pilotlight: a fault of its own, please report it:\n${text}\n`);
  return EXIT.software;
}
