/**
 * Asks the pods of a revision what they have counted. Everything is bounded: how many pods, how
 * many at once, how long, how much. What is forgotten (a restart of the controller) is counted
 * anew: a gate then waits for its requests again.
 */
import { isReady, type Pod } from "../observe/pods.ts";
import { createPages, type Pages } from "../pod-pages.ts";
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

interface Kept {
  readonly step: string;
  readonly tally: Tally;
}

export function createMeter(): Meter {
  const pages = createPages(AT_ONCE_MAX);
  const kept = new Map<string, Kept>();
  return {
    measure: async (asked) => {
      const before = kept.get(asked.key);
      let tally: Tally = before === undefined ? new Map() : before.tally;
      if (before !== undefined && before.step !== asked.step) {
        tally = restarted(tally);
      }
      const ready = asked.pods.filter(isReady).slice(0, PODS_MAX);
      const answers = await Promise.all(ready.map((pod) => countsOf(pages, pod, asked.ports)));
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
    close: () => pages.close(),
  };
}

async function countsOf(
  pages: Pages,
  pod: Pod,
  ports: readonly number[],
): Promise<ReturnType<typeof parseCounts> | string> {
  const faults: string[] = [];
  for (const port of ports) {
    try {
      const counts = parseCounts(await pages.read(pod.status?.podIP ?? "", port));
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
