import { spawn } from "node:child_process";
import { runCommand } from "../../go/command.ts";
import type { Cluster } from "../cluster.ts";
import { startDaemon } from "../daemon.ts";
import { CONTAINERD_SOCKET, ENVOY_PORT, NODE_ADDRESS } from "./network.ts";
import { enterNetworkArgs, isInsideNetwork, runInside } from "./sandbox.ts";
import type { Paths, State } from "./state.ts";

/** The built cluster as everybody else sees it. */
export function clusterHandle(paths: Paths, state: State): Cluster {
  const { init } = state;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    KUBECONFIG: paths.kubeconfig,
    PATH: `${paths.bin}:${process.env.PATH ?? ""}`,
  };
  const wrap = (command: string, args: readonly string[]): [string, string[]] =>
    isInsideNetwork(init)
      ? [command, [...args]]
      : ["nsenter", [...enterNetworkArgs(init), command, ...args]];
  return {
    provider: "built",
    kubeconfig: paths.kubeconfig,
    ingress: { host: NODE_ADDRESS, port: ENVOY_PORT },
    nodeAddress: NODE_ADDRESS,
    auditLog: paths.auditLog,
    env,
    exec: async (command, args, options = {}) => {
      const [program, words] = wrap(command, args);
      return runCommand(program, words, { ...options, env: { ...env, ...options.env } });
    },
    spawn: (command, args, options = {}) => {
      const [program, words] = wrap(command, args);
      return spawn(program, words, {
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        env: { ...env, ...options.env },
        stdio: options.stdio ?? "inherit",
      });
    },
    startServer: async (server) =>
      startDaemon({
        ...server,
        env: { ...env, ...server.env },
        outlive: false,
        ...(isInsideNetwork(init) ? {} : { networkNamespace: `/proc/${init.pid}/ns/net` }),
      }),
    importImage: async (tarPath) => importImage(state, tarPath),
    processes: state.processes,
  };
}

/** containerd's socket lies in the cluster's own /run: the import runs there. */
export async function importImage({ init }: Pick<State, "init">, tarPath: string): Promise<void> {
  const ctr = ["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"];
  await runInside(init, "ctr", [...ctr, "images", "import", "--no-unpack=false", tarPath]);
}
