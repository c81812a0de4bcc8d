import { spawn } from "node:child_process";
import { once } from "node:events";

import { freePort } from "../../../hack/free-port.ts";

/** A server of a test as a process of its own. */
export interface Program extends AsyncDisposable {
  readonly address: string;
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: (port: number) => readonly string[];
  readonly environment?: (port: number) => Readonly<Record<string, string>>;
  /** Done before the start: a file of settings, say. */
  readonly prepare?: () => Promise<void>;
  /** What it says once it listens. */
  readonly listening: RegExp;
}

/** Starts it on a free port of the loopback interface; resolves once it says that it listens. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { command, args, environment, listening } = options;
  await options.prepare?.();
  const port = await freePort();
  const env = { PATH: process.env["PATH"], ...environment?.(port) };
  const child = spawn(command, [...args(port)], { env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      said = (said + String(chunk)).slice(-4000);
      if (listening.test(said)) resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", reject);
    child.on("exit", () => reject(new Error(`${command} ended: ${said}`)));
  });
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await exited;
    },
  };
}
