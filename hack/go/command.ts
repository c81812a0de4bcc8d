import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

/** What a finished command left behind. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Buffer;
  /** The command is killed after this long; ten minutes unless told. */
  readonly timeoutMs?: number;
  /** Return a failure as a value instead of throwing it. */
  readonly tolerate?: boolean;
}

/** A command that could not be started, was killed, or exited with another code than 0. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly result: CommandResult | undefined;

  constructor(message: string, details: { result?: CommandResult; cause?: unknown }) {
    super(message, { cause: details.cause });
    this.result = details.result;
  }
}

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const TAIL_LINES = 15;
const TIMEOUT_MS = 600_000;

/**
 * Runs a command to its end and returns its output.
 * Throws CommandError, with the last lines it wrote, when it fails.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(command, [...args], {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {
    // A command may end without reading its input; its exit code says whether that was right.
  });
  child.stdin.end(options.input ?? "");
  // Not spawn's own timeout: its timer outlives a command that could not be started.
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? TIMEOUT_MS);
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const line = [command, ...args].join(" ");
  try {
    const [stdout, stderr, { code, signal }] = await Promise.all([
      readAll(child.stdout),
      readAll(child.stderr),
      exited,
    ]);
    const result = { exitCode: code ?? 128, stdout, stderr };
    if (result.exitCode === 0 || (options.tolerate === true && signal === null)) {
      return result;
    }
    const why = signal === null ? `exit code ${result.exitCode}` : `killed by ${signal}`;
    throw new CommandError(`${line}: ${why}\n${tail(stderr || stdout)}`, { result });
  } catch (error) {
    if (error instanceof CommandError) {
      throw error;
    }
    throw new CommandError(`${line}: could not run: ${String(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** The last lines of a text, for messages. */
export function tail(text: string, lines: number = TAIL_LINES): string {
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= OUTPUT_BYTES_MAX) {
      chunks.push(chunk);
    }
  }
  return Buffer.concat(chunks).toString("utf8");
}
