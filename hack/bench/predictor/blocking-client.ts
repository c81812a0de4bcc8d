/**
 * The load of one connection: a process that waits for its answers in the kernel and does nothing
 * else. It runs on the CPUs that the server has, and what an event loop and its streams cost at
 * every wake-up would count as the server's: a third of a millisecond, once a large model has
 * emptied the caches.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { answerOrder, order, readHead } from "./client.ts";
import type { Hammer, Tally } from "./client.ts";
import { joined } from "./stats.ts";

type Order = Pick<Hammer, "requests" | "ms">;
type Ran = Tally & { readonly dropped: boolean };

/** Requests back to back until the end, on a new connection whenever the server drops one. */
export async function hammerAlone(hammer: Hammer): Promise<Tally> {
  const ran: Ran[] = [];
  for (let left = hammer.ms; left > 0;) {
    const last = await onOneConnection({ ...hammer, ms: left });
    ran.push(last);
    left = last.dropped ? left - last.elapsedMs : 0;
  }
  return {
    latencies: joined(ran.map(({ latencies }) => latencies)),
    failures: ran.reduce((sum, { failures }) => sum + failures, 0),
    elapsedMs: ran.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0),
  };
}

async function onOneConnection({ port, requests, ms, nice }: Hammer): Promise<Ran> {
  const socket = connect(port, "127.0.0.1").setNoDelay(true);
  await once(socket, "connect");
  // What libuv hands to a child as one of the standard three waits, as in any C program.
  const child = fork(import.meta.filename, [], {
    stdio: [socket, "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  socket.destroy();
  return order<Ran>(child, { requests, ms } satisfies Order, nice);
}

/** For the client: the requests on its standard input. */
function hammerStandardInput({ requests, ms }: Order): Ran {
  const buffer = Buffer.allocUnsafeSlow(1_048_576);
  const latencies: number[] = [];
  let failures = 0;
  const started = performance.now();
  const tally = (dropped: boolean): Ran => ({
    latencies: Float64Array.from(latencies),
    failures,
    elapsedMs: performance.now() - started,
    dropped,
  });
  for (let at = 0, now = started; now < started + ms; at = (at + 1) % requests.length) {
    const sentAt = now;
    const ok = ask(requests[at] ?? Buffer.alloc(0), buffer);
    if (ok !== true) failures++;
    if (ok === undefined) return tally(true);
    now = performance.now();
    latencies.push(now - sentAt);
  }
  return tally(false);
}

/** Whether the answer was a good one; nothing when the server dropped the connection. */
function ask(request: Uint8Array, buffer: Buffer): boolean | undefined {
  try {
    for (let at = 0; at < request.byteLength;) at += writeSync(0, request, at);
    return readAnswer(buffer);
  } catch (error) {
    if (error instanceof Error && "syscall" in error) return undefined;
    throw error;
  }
}

function readAnswer(buffer: Buffer): boolean | undefined {
  let filled = 0;
  let head: ReturnType<typeof readHead>;
  while (head === undefined || filled < head.bytes) {
    const read = readSync(0, buffer, filled, buffer.byteLength - filled, null);
    if (read === 0) return undefined;
    filled += read;
    head ??= readHead(buffer.subarray(0, filled));
  }
  return head.ok;
}

if (import.meta.main) answerOrder(hammerStandardInput);
