/** PURE: what leaves memory (or a disk) so that something else fits. */

export type Occupant<T> = {
  readonly item: T;
  /** In use now: it stays. */
  readonly pinned: boolean;
  /** When it was needed last; the smallest leaves first. */
  readonly usedAt: number;
  /** Leaving would have to wait for something else. */
  readonly busy?: boolean;
};

/** The next to leave: not needed for longest, among those that can leave at once if any can. */
export function selectVictim<T>(occupants: readonly Occupant<T>[]): T | undefined {
  let best: Occupant<T> | undefined;
  for (const each of occupants) {
    if (each.pinned) continue;
    if (best === undefined || goesBefore(each, best)) best = each;
  }
  return best?.item;
}

function goesBefore<T>(one: Occupant<T>, other: Occupant<T>): boolean {
  const [busy, otherBusy] = [one.busy === true, other.busy === true];
  return busy === otherBusy ? one.usedAt < other.usedAt : !busy;
}

export type HostMemory<T> = {
  readonly host: T;
  readonly rssBytes: number;
  readonly baseBytes: number;
  /** What its models take, as measured when they were loaded. */
  readonly modelBytes: number;
  /** A model of it is needed now, or it runs. */
  readonly pinned: boolean;
};

/** What a process holds beyond itself and its models: freed, but not given back. */
export function wasteOf({ rssBytes, baseBytes, modelBytes }: HostMemory<unknown>): number {
  return Math.max(0, rssBytes - baseBytes - modelBytes);
}

/**
 * The process to replace by a fresh one, so that what it wastes is free again: the one with most of
 * that, if it is at least `wasteMin`.
 */
export function selectWasteful<T>(
  hosts: readonly HostMemory<T>[],
  wasteMin: number,
): T | undefined {
  let worst: HostMemory<T> | undefined;
  for (const each of hosts) {
    if (each.pinned || wasteOf(each) < wasteMin) continue;
    if (worst === undefined || wasteOf(each) > wasteOf(worst)) worst = each;
  }
  return worst?.host;
}

export type Failures = { readonly count: number; readonly untilMs: number };

const backoffFirstMs = 1000;
const backoffMaxMs = 300_000;

/** After a failed load the next try waits, twice as long each time, five minutes at most. */
export function failedAgain(before: Failures | undefined, nowMs: number): Failures {
  const count = (before?.count ?? 0) + 1;
  return { count, untilMs: nowMs + Math.min(backoffFirstMs * 2 ** (count - 1), backoffMaxMs) };
}
