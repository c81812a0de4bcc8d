import { spawn } from "node:child_process";
import { runCommand } from "../go/command.ts";
import type { Cluster } from "./cluster.ts";
import { startDaemon } from "./daemon.ts";

/** How commands run for a cluster that the machine itself can reach: as they are. */
export function plainCommands(
  env: NodeJS.ProcessEnv,
): Pick<Cluster, "env" | "exec" | "spawn" | "startServer"> {
  return {
    env,
    exec: async (command, args, options = {}) =>
      runCommand(command, args, { ...options, env: { ...env, ...options.env } }),
    spawn: (command, args, options = {}) =>
      spawn(command, [...args], {
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        env: { ...env, ...options.env },
        stdio: options.stdio ?? "inherit",
      }),
    startServer: async (server) =>
      startDaemon({ ...server, env: { ...env, ...server.env }, outlive: false }),
  };
}
