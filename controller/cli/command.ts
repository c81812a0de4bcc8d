/** What every command of the program is, and how it says that it cannot go on. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { nearest } from "./nearest.ts";

/** Exit codes of sysexits.h, the same as the predictor's. */
export const EXIT = {
  ok: 0,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
} as const;

/** The world as a command sees it. Tests give their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
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
