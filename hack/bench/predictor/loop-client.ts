/** The load of many connections, and the probes: one event loop that knows no HTTP library. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { answerOrder, order, readHead } from "./client.ts";
import type { Hammer, Tally } from "./client.ts";

/** Between the answer to a probe and the next one. */
const probePauseMs = 20;

type Order = Omit<Hammer, "nice"> & {
  readonly connections: number;
  /** Each request on a connection of its own, with such a pause before the next one. */
  readonly pauseMs?: number;
};

/** Requests back to back on so many connections. */
export async function hammerTogether({
  nice,
  ...what
}: Hammer & { readonly connections: number }): Promise<Tally> {
  return order<Tally>(start(), what satisfies Order, nice);
}

/** Asks now and then. */
export async function probe({
  request,
  ...what
}: Pick<Hammer, "port" | "ms"> & { readonly request: Uint8Array }): Promise<Tally> {
  const asked: Order = { ...what, requests: [request], connections: 1, pauseMs: probePauseMs };
  return order<Tally>(start(), asked);
}

function start(): ChildProcess {
  return fork(import.meta.filename, [], { stdio: "inherit", serialization: "advanced" });
}

type Seen = { readonly latencies: number[]; failures: number };
/** The bytes of the next request. */
type Next = () => Uint8Array;

async function run({ port, requests, ms, connections, pauseMs }: Order): Promise<Tally> {
  const seen: Seen = { latencies: [], failures: 0 };
  const nextFrom = (first: number): Next => {
    let at = first;
    return () => requests[at++ % requests.length] ?? Buffer.alloc(0);
  };
  const started = performance.now();
  const end = started + ms;
  const work = Array.from({ length: connections }, async (_, index) => {
    const next = nextFrom(Math.floor((index * requests.length) / connections));
    while (performance.now() < end) {
      await hammerOnce(port, next, pauseMs === undefined ? end : 0, seen);
      if (pauseMs !== undefined) await delay(pauseMs);
    }
  });
  await Promise.all(work);
  const elapsedMs = performance.now() - started;
  return { latencies: Float64Array.from(seen.latencies), failures: seen.failures, elapsedMs };
}

/** Requests back to back on one connection; one that is under way at the end is finished. */
async function hammerOnce(port: number, next: Next, end: number, seen: Seen): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1").setNoDelay(true);
  const pieces: Buffer[] = [];
  let sentAt = 0;
  let filled = 0;
  let head: ReturnType<typeof readHead>;
  let done = false;
  const send = (): void => {
    pieces.length = 0;
    filled = 0;
    head = undefined;
    sentAt = performance.now();
    socket.write(next());
  };
  socket.once("connect", send);
  socket.once("error", () => {}); // "close" follows
  socket.once("close", () => {
    if (!done) seen.failures++;
    resolve();
  });
  socket.on("data", (chunk: Buffer) => {
    filled += chunk.byteLength;
    if (head === undefined) {
      pieces.push(chunk);
      head = readHead(pieces.length === 1 ? chunk : Buffer.concat(pieces));
    }
    if (head === undefined || filled < head.bytes) return;
    if (!head.ok) seen.failures++;
    const now = performance.now();
    seen.latencies.push(now - sentAt);
    if (now < end) return send();
    done = true;
    socket.destroy();
  });
  return promise;
}

if (import.meta.main) answerOrder(run);
