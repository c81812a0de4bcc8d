/** What every command of the program is, and how it says that it cannot go on. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { nearest } from "./nearest.ts";

/**
 * Exit codes: those of sysexits.h, the same as the predictor's, and 1 for an answer that is no.
 * docs/cli.md says them to users.
 */
export const EXIT = {
  ok: 0,
  /** The command did its work, and the answer is no: refused, not ready, not found. */
  no: 1,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  /** Not within the time that was given. */
  temporary: 75,
  noPermission: 77,
} as const;

/** The world as a command sees it. Tests give their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the user calls this program: `pilotlight` when absent, or `kubectl pilotlight`. */
  readonly program?: string;
  /** Whether lines may be coloured. */
  readonly colour: boolean;
  out(text: string): void;
  err(text: string): void;
}

export interface Command {
  /** The whole text of `pilotlight NAME --help`. */
  readonly help: string;
  /** Does the work and resolves with the exit code. A CliError is printed as one line. */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

/** A fault that its message explains in full: printed without a stack, and the program ends with `exitCode`. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  constructor(exitCode: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

/**
 * util.parseArgs, strict, with its complaints as a CliError of exit code 64.
 * An unknown flag is answered with the nearest known one.
 */
export function parseFlags<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError) || !codeOf(error).startsWith("ERR_PARSE_ARGS")) {
      throw error;
    }
    throw new CliError(EXIT.usage, complaint(error, Object.keys(config.options ?? {})), error);
  }
}

/** That `args` of a command that takes none, or too many, are a mistake: the first that is too much is named. */
export function noMoreThan(most: number, positionals: readonly string[], advice: string): void {
  const extra = positionals[most];
  if (extra !== undefined) {
    throw new CliError(EXIT.usage, `unexpected argument "${extra}": ${advice}`);
  }
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function complaint(error: Error, known: readonly string[]): string {
  const unknown = /^Unknown option '(-{1,2}([^']+))'/.exec(error.message);
  if (unknown === null) {
    // Node's message goes on with advice about "--"; its first sentence says what is wrong.
    return error.message.split(/\. |\n/)[0] ?? error.message;
  }
  const meant = nearest(unknown[2] ?? "", known);
  return (
    `unknown flag ${unknown[1] ?? ""}` + (meant === undefined ? "" : `; did you mean --${meant}?`)
  );
}
