/**
 * PURE: what the pods of a revision counted since a step began. A pod that went keeps what it had
 * counted; a container that started anew begins at zero.
 */
import type { Counts } from "./exposition.ts";
import type { Measured } from "./plan.ts";

interface Seen {
  readonly last: Counts;
  readonly since: Counts;
}

/** By name of the pod. */
export type Tally = ReadonlyMap<string, Seen>;

export const NOTHING: Counts = { requests: 0, errors: 0, buckets: new Map() };

/**
 * The tally after one more look at `pod`. A pod that is seen first counts from zero when it is
 * younger than the step, else from now.
 */
export function counted(tally: Tally, pod: string, counts: Counts, isYoung: boolean): Tally {
  const seen = tally.get(pod);
  const start = seen?.last ?? (isYoung ? NOTHING : counts);
  const from = counts.requests < start.requests ? NOTHING : start;
  const since = plus(seen?.since ?? NOTHING, counts, from);
  return new Map(tally).set(pod, { last: counts, since });
}

/** The tally at the beginning of the next step. */
export function restarted(tally: Tally): Tally {
  return new Map([...tally].map(([pod, { last }]) => [pod, { last, since: NOTHING }]));
}

/** All pods together. */
export function measuredBy(tally: Tally): Measured {
  const all = [...tally.values()].reduce((sum, { since }) => plus(sum, since, NOTHING), NOTHING);
  const p95 = quantile(all.buckets, 0.95);
  return {
    requests: all.requests,
    errors: all.errors,
    ...(p95 === undefined ? {} : { latencyP95Ms: Math.round(p95 * 1e6) / 1000 }),
  };
}

function plus(sum: Counts, counts: Counts, minus: Counts): Counts {
  const buckets = new Map(sum.buckets);
  for (const [bound, value] of counts.buckets) {
    const more = value - (minus.buckets.get(bound) ?? 0);
    buckets.set(bound, (buckets.get(bound) ?? 0) + more);
  }
  return {
    requests: sum.requests + counts.requests - minus.requests,
    errors: sum.errors + counts.errors - minus.errors,
    buckets,
  };
}

/**
 * The `q` quantile of a cumulative histogram, linear within its bucket, as Prometheus'
 * histogram_quantile; beyond the last bound, that bound. Undefined when nothing was counted.
 */
export function quantile(buckets: ReadonlyMap<number, number>, q: number): number | undefined {
  const sorted = [...buckets].toSorted(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total <= 0) {
    return undefined;
  }
  const rank = q * total;
  let [low, below] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= rank) {
      return bound === Number.POSITIVE_INFINITY || count === below
        ? low
        : low + ((bound - low) * (rank - below)) / (count - below);
    }
    [low, below] = [bound, count];
  }
  return low;
}
