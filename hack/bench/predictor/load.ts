/**
 * The load on a server, from a process of its own on plain sockets, with one request in flight per
 * connection: what a client was answered, and how long that took.
 */
import { hammerAlone } from "./blocking-client.ts";
import { hammerTogether, probe } from "./loop-client.ts";
import { cpuMs } from "./server.ts";
import { percentile } from "./stats.ts";

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

export type Measured = {
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly requests: number;
  readonly failures: number;
  /** CPU time of the server per request, in microseconds. */
  readonly cpuUs?: number;
  /** Of the health answers, if probed. */
  readonly probeP99?: number;
  readonly probeMaxMs?: number;
};

/** Applies a load from another process to a server, and returns what was seen of both. */
export async function applyLoad(server: { pid: number }, load: Load): Promise<Measured> {
  const { port, connections, ms, background = false } = load;
  const headers = { "content-type": "application/json", ...load.headers };
  const requests = load.bodies.map((body) => requestBytes(`POST ${load.path}`, body, headers));
  const hammer = { port, requests, ms, nice: background ? backgroundNice : 0 };
  const before = cpuMs(server.pid);
  const { elapsedMs, failures, ...tally } = await (connections === 1
    ? hammerAlone(hammer)
    : hammerTogether({ ...hammer, connections }));
  const latencies = tally.latencies.toSorted();
  return {
    perSecond: (latencies.length / elapsedMs) * 1000,
    p50: percentile(latencies, 50),
    p95: percentile(latencies, 95),
    p99: percentile(latencies, 99),
    requests: latencies.length,
    failures,
    cpuUs: ((cpuMs(server.pid) - before) * 1000) / latencies.length,
  };
}

/**
 * Asks for a server's health from a process that does nothing else: what it waits for is the server
 * and the CPU, and no body that a load generator writes.
 */
export async function probeHealth(
  { port }: { port: number },
  ms: number,
): Promise<Required<Pick<Measured, "probeP99" | "probeMaxMs" | "failures">>> {
  const request = requestBytes("GET /v2/health/live", Buffer.alloc(0));
  const { latencies, failures } = await probe({ port, request, ms });
  const ascending = latencies.toSorted();
  return {
    probeP99: percentile(ascending, 99),
    probeMaxMs: ascending.at(-1) ?? Number.NaN,
    failures,
  };
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
