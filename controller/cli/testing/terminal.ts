/** The program in this process, with what it wrote. */
import { runCli } from "../cli.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCommand(...args: readonly string[]): Promise<Ran> {
  let out = "";
  let err = "";
  const code = await runCli(args, {
    env: {},
    colour: false,
    out: (text) => (out += text),
    err: (text) => (err += text),
  });
  return { code, out, err };
}
