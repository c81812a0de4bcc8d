/** Starting and ending the servers under test, each in a process of its own. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export type RunningServer = AsyncDisposable & { readonly port: number };

/** Forks a server program, which sends its port when it serves. */
export async function startServer(program: string, options: object): Promise<RunningServer> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = fork(path, [JSON.stringify(options)], { stdio: "inherit" });
  const ended = once(child, "exit");
  const [port] = await Promise.race([
    once(child, "message"),
    ended.then(([code]) => Promise.reject(new Error(`${program} ended with ${String(code)}`))),
  ]);
  return {
    port: Number(port),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** For the programs: what startServer gave them. */
export function serverOptions<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}") as T;
}

/** For the programs: says that they serve; ends with the benchmark. */
export function announce(port: number): void {
  process.send?.(port);
  process.once("disconnect", () => process.exit(0));
}
