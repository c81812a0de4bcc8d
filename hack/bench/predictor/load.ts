/**
 * The load on a server, from a process of its own on plain sockets, with one request in flight per
 * connection: what a client was answered, and how long that took.
 */
import { hammerAlone } from "./blocking-client.ts";
import { hammerTogether, probe } from "./loop-client.ts";
import type { Sample } from "./samples.ts";
import { cpuMs } from "./server.ts";

export type Load = {
  readonly port: number;
  readonly path: string;
  /** Sent in turn; each connection begins at another one. */
  readonly bodies: readonly Uint8Array[];
  /** Beside the necessary ones. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly ms: number;
  /** Leave the CPUs to the servers first, as clients on other machines do. */
  readonly background?: boolean;
};

/** Steps of nice of a load in the background. */
const backgroundNice = 10;

/** Applies a load from another process to a server, and returns what was seen of both. */
export async function applyLoad(server: { pid: number }, load: Load): Promise<Sample> {
  const { port, connections, ms, background = false } = load;
  const headers = { "content-type": "application/json", ...load.headers };
  const requests = load.bodies.map((body) => requestBytes(`POST ${load.path}`, body, headers));
  const hammer = { port, requests, ms, nice: background ? backgroundNice : 0 };
  const before = cpuMs(server.pid);
  const tally = await (connections === 1
    ? hammerAlone(hammer)
    : hammerTogether({ ...hammer, connections }));
  return { ...tally, cpuMs: cpuMs(server.pid) - before };
}

/**
 * Asks for a server's health from a process that does nothing else: what it waits for is the server
 * and the CPU, and no body that a load generator writes.
 */
export async function probeHealth(
  { port }: { port: number },
  ms: number,
): Promise<Required<Pick<Sample, "probes" | "failures">>> {
  const request = requestBytes("GET /v2/health/live", Buffer.alloc(0));
  const { latencies, failures } = await probe({ port, request, ms });
  return { probes: latencies, failures };
}

function requestBytes(
  line: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const all = { host: "bench", "content-length": String(body.byteLength), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${line} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
}
