/**
 * The controller as a process of its own, for tests that watch what it does to a real API server.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface ControllerProcess {
  readonly pid: number;
  /** Where /healthz, /readyz and /metrics are. */
  readonly opsUrl: string;
  /** What it logged so far, newest last; bounded. */
  readonly log: readonly string[];
  /**
   * Sends the signal (SIGTERM unless told) and resolves with the exit code, or the signal's name.
   */
  end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

const MAIN = join(import.meta.dirname, "../../controller/main.ts");
const LOG_LINES_MAX = 1000;

/**
 * Starts controller/main.ts, or what `args` of Node name; resolves when its endpoints listen. `env`
 * overrides the settings of the test.
 */
export async function startController(
  kubeconfig: string,
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [MAIN],
): Promise<ControllerProcess> {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      KUBECONFIG: kubeconfig,
      PREDICTOR_IMAGE: "dev.local/pilotlight/predictor:test",
      OPS_HOST: "127.0.0.1",
      OPS_PORT: "0",
      LEADER_ELECTION: "false",
      LOG_LEVEL: "debug",
      ...env,
    },
  });
  const log: string[] = [];
  const opsUrl = await listening(child, log);
  return {
    pid: child.pid ?? 0,
    opsUrl,
    log,
    end: (signal = "SIGTERM") => end(child, signal),
  };
}

function listening(child: ChildProcess, log: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("exit", (code) =>
      reject(new Error(`the controller ended with ${code} before it ran:\n${log.join("\n")}`)),
    );
    if (child.stdout === null) {
      reject(new Error("the controller has no standard output"));
      return;
    }
    createInterface({ input: child.stdout }).on("line", (line) => {
      log.push(line);
      if (log.length > LOG_LINES_MAX) {
        log.shift();
      }
      const url = /"opsUrl":"([^"]+)"/.exec(line)?.[1];
      if (url !== undefined) {
        resolve(url);
      }
    });
  });
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve(child.exitCode ?? child.signalCode ?? 0);
      return;
    }
    child.once("exit", (code, killed) => resolve(code ?? killed ?? 0));
    child.kill(signal);
  });
}
