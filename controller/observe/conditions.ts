/**
 * Conditions by the rules of kstatus: abnormal ones are present only while true, times move only
 * with the status.
 */
import type { Condition } from "../api/inferenceservice.gen.ts";
import type { ComponentName } from "../api/names.ts";

/** A condition before it knows when it changed. */
export interface Verdict {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

export function condition<T extends { readonly type: string }>(
  conditions: readonly T[] | undefined,
  type: string,
): T | undefined {
  return conditions?.find((candidate) => candidate.type === type);
}

/**
 * `verdicts` as conditions of `generation`. lastTransitionTime is the previous one's while the
 * status is the same, else `now` (RFC 3339).
 */
export function conditions(
  verdicts: readonly Verdict[],
  previous: readonly Condition[] | undefined,
  generation: number,
  now: string,
): readonly Condition[] {
  return verdicts.map((verdict) => {
    const before = condition(previous, verdict.type);
    const since = before?.status === verdict.status ? before.lastTransitionTime : undefined;
    return { ...verdict, observedGeneration: generation, lastTransitionTime: since ?? now };
  });
}

/** The condition that tells of one component: `PredictorReady`, … */
export function readyType(component: ComponentName): string {
  return `${component.charAt(0).toUpperCase()}${component.slice(1)}Ready`;
}
