/**
 * How long the predictor's last start from zero took. It is told by the pods alone: while nothing
 * runs, the next pod that appears is the one that a request waits for.
 */
import type { ColdStart, InferenceServiceStatus } from "../api/inferenceservice.gen.ts";
import { condition } from "./conditions.ts";
import type { Pod } from "./pods.ts";

/**
 * `previous` is the status before, `pods` are the live ones of the predictor's routed and newest
 * revisions. The first pod after zero is noted when it appears, and timed when it is ready.
 */
export function lastColdStart(
  previous: InferenceServiceStatus | undefined,
  pods: readonly Pod[],
): ColdStart | undefined {
  const before = previous?.lastColdStart;
  const noted = pods.find(({ metadata }) => metadata.name === before?.pod);
  if (noted !== undefined && before?.seconds === undefined) {
    return timed(noted);
  }
  const [first] = pods.toSorted((a, b) => made(a) - made(b));
  // A pod that ended before it was ready leaves its place to the next one.
  const wasNone =
    (previous?.replicas ?? 0) === 0 || (before !== undefined && before.at === undefined);
  return first !== undefined && wasNone && noted === undefined ? timed(first) : before;
}

function timed(pod: Pod): ColdStart {
  const { name: pod_ } = pod.metadata;
  const ready = condition(pod.status?.conditions, "Ready");
  const at = ready?.status === "True" ? ready.lastTransitionTime : undefined;
  const seconds = at === undefined ? Number.NaN : Math.round((Date.parse(at) - made(pod)) / 1000);
  return at === undefined || !Number.isFinite(seconds)
    ? { pod: pod_ }
    : { pod: pod_, seconds: Math.max(0, seconds), at };
}

/** Milliseconds since the epoch. */
function made({ metadata }: Pod): number {
  return Date.parse(metadata.creationTimestamp ?? "");
}
