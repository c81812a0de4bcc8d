import { randomInt } from "node:crypto";
import { runCommand } from "../../go/command.ts";
import type { Cluster } from "../cluster.ts";
import { assertRunning, killProcess, startDaemon, type Daemon } from "../daemon.ts";
import { waitFor } from "../wait.ts";

/** Where an addon's servers run: the machine's loopback, or next to a cluster's node. */
export interface Host {
  readonly address: string;
  readonly startServer: Cluster["startServer"];
  readonly exec: Cluster["exec"];
}

export function loopbackHost(): Host {
  return {
    address: "127.0.0.1",
    startServer: async (server) =>
      startDaemon({ ...server, env: { ...process.env, ...server.env }, outlive: false }),
    exec: runCommand,
  };
}

/** Servers that pods can reach, at the node's address. */
export function clusterHost(cluster: Cluster): Host {
  return { address: cluster.nodeAddress, startServer: cluster.startServer, exec: cluster.exec };
}

const PORT_ATTEMPTS = 10;
/** Below the range from which the kernel takes the ports of outgoing connections. */
const PORTS = { first: 20_000, end: 32_000 };
const READY_TIMEOUT_MS = 60_000;

/**
 * Starts a server on a port that turns out to be free. The port cannot be asked for beforehand,
 * for this process may be outside of the host's network: a start that fails is tried again
 * elsewhere.
 */
export async function startOnFreePort(
  start: (port: number) => Promise<Daemon>,
  isReady: (port: number) => Promise<boolean>,
): Promise<{ daemon: Daemon; port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = randomInt(PORTS.first, PORTS.end);
    const daemon = await start(port);
    try {
      await waitFor(
        `${daemon.name} answers on port ${port}`,
        async () => ((await isReady(port)) ? true : undefined),
        { timeoutMs: READY_TIMEOUT_MS, check: async () => assertRunning(daemon) },
      );
      return { daemon, port };
    } catch (error) {
      await killProcess(daemon);
      const taken = /address already in use|EADDRINUSE/i.test(String(error));
      if (!taken || attempt === PORT_ATTEMPTS) {
        throw error;
      }
    }
  }
}

/** Whether a server answers an HTTP request with anything but a failure. */
export async function answersHttp(host: Host, url: string): Promise<boolean> {
  const args = ["--silent", "--fail", "--output", "/dev/null", "--max-time", "5", url];
  return (await host.exec("curl", args, { tolerate: true })).exitCode === 0;
}
