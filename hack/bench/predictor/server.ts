/** Starting and ending the servers under test, each in a process of its own. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export type RunningServer = AsyncDisposable & { readonly port: number; readonly pid: number };

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
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Linux counts CPU time in hundredths of a second, on every platform that Node supports. */
const tickMs = 10;

/**
 * CPU time that a process and its children have used. Other work on the machine makes requests take
 * longer, but hardly makes them cost more: the figure to trust on a busy machine.
 */
export function cpuMs(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const own = (Number(fields[11]) + Number(fields[12])) * tickMs;
  return children.filter(Boolean).reduce((sum, child) => sum + cpuMs(Number(child)), own);
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
