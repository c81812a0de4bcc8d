/**
 * PURE: which of the waiting requests run together, when they may wait no longer, and when a run
 * counts as stuck.
 */

export type Waiting = {
  /** Requests of equal keys may be joined; one without a key always runs alone. */
  readonly key: string | undefined;
  readonly rows: number;
  /** Tokens per row, where requests of different lengths may be joined by padding; else 0. */
  readonly length: number;
};

export type Budget = {
  readonly rowsMax: number;
  readonly requestsMax: number;
  /** Tokens of padding that one run less is worth. */
  readonly spareTokens: number;
};

/** Tokens of one batch, padding included: what its activations take in memory has a bound. */
const tokensMax = 16_384;

/**
 * The indexes of the requests to run next: the one at `from`, and those behind it that may be
 * joined with it, nearest length first, while the budget lasts. A request larger than the budget
 * runs alone. One of another length joins where the padding costs less than the run that it saves.
 */
export function plan(waiting: readonly Waiting[], budget: Budget, from = 0): number[] {
  const first = waiting[from];
  if (first === undefined) return [];
  const chosen = [from];
  let { rows, length } = first;
  if (first.key === undefined) return chosen;
  for (const index of nearestFirst(waiting, from)) {
    if (chosen.length >= budget.requestsMax || rows >= budget.rowsMax) break;
    const next = waiting[index];
    if (next?.key !== first.key || rows + next.rows > budget.rowsMax) continue;
    const longer = Math.max(length, next.length);
    const tokens = (rows + next.rows) * longer;
    const padding = tokens - rows * length - next.rows * next.length;
    if (padding > budget.spareTokens || tokens > tokensMax) continue;
    chosen.push(index);
    rows += next.rows;
    length = longer;
  }
  return chosen;
}

/**
 * Those behind `from`; of equally near lengths, in the queue's order. One by one, as a batch of
 * equals is soon full, however long the queue.
 */
function* nearestFirst(waiting: readonly Waiting[], from: number): Generator<number> {
  const length = waiting[from]?.length ?? 0;
  const behind: number[] = [];
  for (let index = from + 1; index < waiting.length; index++) {
    if (length === 0) yield index;
    else behind.push(index);
  }
  const distance = (index: number): number => Math.abs((waiting[index]?.length ?? 0) - length);
  yield* behind.sort((a, b) => distance(a) - distance(b));
}

export type Lingering = Waiting & { readonly enqueuedAtMs: number; readonly deadlineAtMs: number };

/** What to run now, or when to look again; neither, when nothing waits. */
export type Choice = { readonly run: readonly number[] } | { readonly againAtMs: number };

/**
 * What runs next when requests may wait `latencyMs` for company: the first group, in the queue's
 * order, that is full, may not be joined, or whose first request has waited long enough. Nobody
 * waits so long that the deadline comes first: half of what is left of it is for the run.
 */
export function choose(
  waiting: readonly Lingering[],
  budget: Budget,
  { nowMs, latencyMs }: { nowMs: number; latencyMs: number },
): Choice {
  if (latencyMs === 0) return { run: plan(waiting, budget) };
  let againAtMs = Number.POSITIVE_INFINITY;
  const seen = new Set<string>();
  for (const [index, each] of waiting.entries()) {
    if (each.key !== undefined && seen.has(each.key)) continue;
    const group = plan(waiting, budget, index);
    if (each.key === undefined || isFull(waiting, group, budget)) return { run: group };
    seen.add(each.key);
    const half = (each.enqueuedAtMs + each.deadlineAtMs) / 2;
    const dueAtMs = Math.min(each.enqueuedAtMs + latencyMs, half);
    if (dueAtMs <= nowMs) return { run: group };
    againAtMs = Math.min(againAtMs, dueAtMs);
  }
  return { againAtMs };
}

function isFull(waiting: readonly Waiting[], group: readonly number[], budget: Budget): boolean {
  const rows = group.reduce((sum, index) => sum + (waiting[index]?.rows ?? 0), 0);
  return rows >= budget.rowsMax || group.length >= budget.requestsMax;
}

/** Priorities from 1, the most urgent; a request without one has the middle. */
export const priorityDefault = 5;
const priorityMax = 10;
/** A request goes before those of the next priority that came up to so much earlier. */
const headStartMs = 1000;

/**
 * Where a request stands in the queue, as a moment: smaller runs earlier. A priority is a head
 * start and not a class of its own, so that nothing waits for ever behind a stream of urgent ones.
 * 0 and undefined are the default, as in Triton's schedule policy.
 */
export function placeInQueue(enqueuedAtMs: number, priority: number | undefined): number {
  const level = Math.min(priority || priorityDefault, priorityMax);
  return enqueuedAtMs + level * headStartMs;
}

export type RunTimes = {
  readonly startedAtMs: number;
  /** The latest deadline among the requests of the run. */
  readonly deadlineAtMs: number;
  /** The longest run that ever came back. */
  readonly longestRunMs: number;
  /** The whole time that a request has, queueing included. */
  readonly timeoutMs: number;
};

const graceMs = 1000;

/**
 * When a run counts as stuck and its executor is replaced. Not before its last deadline, as someone
 * waits for it. But a request that spent its time in the queue of an overloaded server leaves its
 * run only moments; replacing the executor then would turn overload into an outage, so a run also
 * gets some time of its own: three times the longest one seen, and never less than a second.
 */
export function stuckAtMs(times: RunTimes): number {
  const patience = Math.min(Math.max(graceMs, 3 * times.longestRunMs), times.timeoutMs);
  return Math.max(times.deadlineAtMs, times.startedAtMs + patience);
}

/** The first run may be one of a kind: libraries are loaded and kernels chosen in it. */
const firstRunMs = 10_000;

/** When a run that nobody waits for any more counts as stuck: its deadlines are nobody's. */
export function abandonedStuckAtMs(times: Omit<RunTimes, "deadlineAtMs">): number {
  if (times.longestRunMs > 0) return stuckAtMs({ ...times, deadlineAtMs: 0 });
  return times.startedAtMs + Math.min(firstRunMs, times.timeoutMs);
}
