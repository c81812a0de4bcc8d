/**
 * The load generator: a process of its own, plain sockets, one request in flight per connection.
 * It knows no more HTTP than Content-Length, and is so never the slower side.
 */
import { fork } from "node:child_process";
import { connect } from "node:net";
import { setPriority } from "node:os";
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
  /** Ask for /v2/health/live all the while, and report how long that took. */
  readonly probe?: boolean;
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
  const before = cpuMs(server.pid);
  const measured = await generate(load);
  return { ...measured, cpuUs: ((cpuMs(server.pid) - before) * 1000) / measured.requests };
}

/**
 * Asks for a server's health from a process that does nothing else: what it waits for is the server
 * and the CPU, and no body that a load generator writes.
 */
export async function probeHealth(
  { port }: { port: number },
  ms: number,
): Promise<Pick<Measured, "probeP99" | "probeMaxMs" | "failures">> {
  const { probeP99, probeMaxMs, failures } = await generate({
    port,
    path: "",
    bodies: [],
    connections: 0,
    ms,
    probe: true,
  });
  return { probeP99: probeP99 ?? Number.NaN, probeMaxMs: probeMaxMs ?? Number.NaN, failures };
}

async function generate(load: Load): Promise<Measured> {
  const { promise, resolve, reject } = Promise.withResolvers<Measured>();
  const child = fork(import.meta.filename, [], { stdio: "inherit", serialization: "advanced" });
  child.once("message", (measured) => resolve(measured as Measured));
  child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)));
  if (load.background === true && child.pid !== undefined) setPriority(child.pid, backgroundNice);
  child.send(load);
  return promise;
}

/** The bytes of the next request. */
type Next = () => Buffer;
type Tally = { latencies: number[]; failures: number };

/** Requests back to back until the end, on a new connection whenever the server drops one. */
async function hammer(port: number, next: Next, end: number, tally: Tally): Promise<void> {
  do {
    await hammerOnce(port, next, end, tally);
  } while (performance.now() < end);
}

/** Requests back to back on one connection; one that is under way at the end is finished. */
async function hammerOnce(port: number, next: Next, end: number, tally: Tally): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1").setNoDelay(true);
  let sentAt = 0;
  let missing = -1;
  let head = "";
  let done = false;
  const send = (): void => {
    sentAt = performance.now();
    missing = -1;
    head = "";
    socket.write(next());
  };
  socket.once("connect", send);
  socket.once("error", () => {}); // "close" follows
  socket.once("close", () => {
    if (!done) tally.failures++;
    resolve();
  });
  socket.on("data", (chunk) => {
    if (missing === -1) {
      head += chunk.toString("latin1");
      const bodyAt = head.indexOf("\r\n\r\n");
      if (bodyAt === -1) return;
      if (!head.startsWith("HTTP/1.1 200")) tally.failures++;
      const length = /\r\ncontent-length: (\d+)/i.exec(head.slice(0, bodyAt))?.[1];
      missing = Number(length) - (head.length - bodyAt - 4);
    } else {
      missing -= chunk.byteLength;
    }
    if (missing > 0) return;
    const now = performance.now();
    tally.latencies.push(now - sentAt);
    if (now < end) return send();
    done = true;
    socket.destroy();
  });
  return promise;
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

async function measure(load: Load): Promise<Measured> {
  const tally: Tally = { latencies: [], failures: 0 };
  const probes: Tally = { latencies: [], failures: 0 };
  const headers = { "content-type": "application/json", ...load.headers };
  const requests = load.bodies.map((body) => requestBytes(`POST ${load.path}`, body, headers));
  const empty = Buffer.alloc(0);
  const nextFrom = (first: number): Next => {
    let at = first;
    return () => requests[at++ % requests.length] ?? empty;
  };
  const started = performance.now();
  const end = started + load.ms;
  const connections = Array.from({ length: load.connections });
  const work = connections.map(async (_, index) => {
    const first = Math.floor((index * requests.length) / load.connections);
    return hammer(load.port, nextFrom(first), end, tally);
  });
  const asked = load.probe === true ? [probe(load, end, probes)] : [];
  await Promise.all([...work, ...asked]);
  const elapsed = performance.now() - started;
  const latencies = Float64Array.from(tally.latencies).sort();
  const measured = {
    perSecond: (latencies.length / elapsed) * 1000,
    p50: percentile(latencies, 50),
    p95: percentile(latencies, 95),
    p99: percentile(latencies, 99),
    requests: latencies.length,
    failures: tally.failures,
  };
  if (load.probe !== true) return measured;
  const probed = Float64Array.from(probes.latencies).sort();
  return {
    ...measured,
    failures: tally.failures + probes.failures,
    probeP99: percentile(probed, 99),
    probeMaxMs: probed.at(-1) ?? Number.NaN,
  };
}

async function probe(load: Load, end: number, tally: Tally): Promise<void> {
  const request = requestBytes("GET /v2/health/live", Buffer.alloc(0));
  while (performance.now() < end) {
    await hammer(load.port, () => request, 0, tally);
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, 20);
    await promise;
  }
}

if (import.meta.main) {
  process.once("message", (load) => {
    void measure(load as Load).then((measured) => {
      process.send?.(measured, () => process.exit(0));
    });
  });
}
