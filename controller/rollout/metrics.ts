/**
 * Asks the pods of a revision what they have counted. Everything is bounded: how many pods, how
 * many at once, how long, how much. What is forgotten (a restart of the controller) is counted
 * anew: a gate then waits for its requests again.
 */
import { Agent, request } from "undici";
import type { Pod } from "../observe/pods.ts";
import { parseCounts } from "./exposition.ts";
import type { Measured } from "./plan.ts";
import { counted, measuredBy, restarted, type Tally } from "./tally.ts";

export interface MeterRequest {
  /** The Knative Service: `namespace/name`. */
  readonly key: string;
  /** Counting begins anew when this changes. */
  readonly step: string;
  /** When the step began. */
  readonly sinceMs: number;
  readonly pods: readonly Pod[];
  /** Where a pod may have its metrics, in the order in which they are tried. */
  readonly ports: readonly number[];
}

export interface Meter {
  /** What the pods counted since the step began, or why nobody knows. Never rejects. */
  measure(asked: MeterRequest): Promise<Measured | string>;
  forget(key: string): void;
  close(): Promise<void>;
}

/** More pods than these tell nothing new about an error ratio. */
const PODS_MAX = 20;
const AT_ONCE_MAX = 16;
const DEADLINE_MS = 2000;
const BODY_BYTES_MAX = 1024 * 1024;

interface Kept {
  readonly step: string;
  readonly tally: Tally;
}

export function createMeter(): Meter {
  const agent = new Agent({ connect: { timeout: DEADLINE_MS }, keepAliveTimeout: 10_000 });
  const kept = new Map<string, Kept>();
  const gate = limiter(AT_ONCE_MAX);
  const read = (ip: string, port: number): Promise<string> => gate(() => page(agent, ip, port));
  return {
    measure: async (asked) => {
      const before = kept.get(asked.key);
      let tally: Tally = before === undefined ? new Map() : before.tally;
      if (before !== undefined && before.step !== asked.step) {
        tally = restarted(tally);
      }
      const ready = asked.pods.filter(isReady).slice(0, PODS_MAX);
      const answers = await Promise.all(ready.map((pod) => countsOf(read, pod, asked.ports)));
      const faults: string[] = [];
      for (const [at, pod] of ready.entries()) {
        const answer = answers[at];
        if (typeof answer === "string" || answer === undefined) {
          faults.push(`${pod.metadata.name}: ${answer ?? "no answer"}`);
        } else {
          const made = Date.parse(pod.metadata.creationTimestamp ?? "");
          tally = counted(tally, pod.metadata.name, answer, made >= asked.sinceMs);
        }
      }
      kept.set(asked.key, { step: asked.step, tally });
      const [first] = faults;
      return first !== undefined && faults.length === ready.length ? first : measuredBy(tally);
    },
    forget: (key) => {
      kept.delete(key);
    },
    close: () => agent.destroy(),
  };
}

function isReady({ status }: Pod): boolean {
  return (
    status?.podIP !== undefined &&
    (status.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True")
  );
}

type Read = (ip: string, port: number) => Promise<string>;

async function countsOf(
  read: Read,
  pod: Pod,
  ports: readonly number[],
): Promise<ReturnType<typeof parseCounts> | string> {
  const faults: string[] = [];
  for (const port of ports) {
    try {
      const counts = parseCounts(await read(pod.status?.podIP ?? "", port));
      if (counts !== undefined) {
        return counts;
      }
      faults.push(`port ${port} has no metrics of requests`);
    } catch (error) {
      faults.push(`port ${port}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return faults.join(", ");
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
