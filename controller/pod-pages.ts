/**
 * Pages of metrics, read from pods. Everything is bounded: how many at once, how long, how much.
 */
import { Agent, request } from "undici";

export interface Pages {
  /** The text of `/metrics`. @throws Error that says why there is none. */
  read(ip: string, port: number): Promise<string>;
  close(): Promise<void>;
}

const DEADLINE_MS = 2000;
const BODY_BYTES_MAX = 1024 * 1024;

/** Reads at most `atOnceMax` of them at once. */
export function createPages(atOnceMax: number): Pages {
  const agent = new Agent({ connect: { timeout: DEADLINE_MS }, keepAliveTimeout: 10_000 });
  const gate = limiter(atOnceMax);
  return {
    read: (ip, port) => gate(() => page(agent, ip, port)),
    close: () => agent.destroy(),
  };
}

async function page(dispatcher: Agent, ip: string, port: number): Promise<string> {
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const answer = await request(`http://${host}:${port}/metrics`, {
    dispatcher,
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  if (answer.statusCode !== 200) {
    await answer.body.dump({ limit: BODY_BYTES_MAX });
    throw new Error(`/metrics answers ${answer.statusCode}`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_MAX) {
      answer.body.destroy();
      throw new Error(`/metrics is larger than ${BODY_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Runs at most `max` of what it is given at once; the rest waits its turn. */
function limiter(max: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= max) {
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
}
