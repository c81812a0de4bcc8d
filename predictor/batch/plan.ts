/**
 * PURE: which of the waiting requests run together, when they may wait no longer, and when a run
 * counts as stuck.
 */

export type Waiting = {
  /** Requests of equal keys may be joined; one without a key always runs alone. */
  readonly key: string | undefined;
  readonly rows: number;
};

export type Budget = {
  readonly rowsMax: number;
  readonly requestsMax: number;
};

/**
 * The indexes of the requests to run next: the first one, and those behind it that may be joined
 * with it, in order, while the budget lasts. A request larger than the whole budget runs alone.
 */
export function plan(waiting: readonly Waiting[], budget: Budget): number[] {
  const first = waiting[0];
  if (first === undefined) return [];
  const chosen = [0];
  let { rows } = first;
  if (first.key === undefined) return chosen;
  for (let index = 1; index < waiting.length; index++) {
    if (chosen.length >= budget.requestsMax || rows >= budget.rowsMax) break;
    const next = waiting[index];
    if (next?.key !== first.key || rows + next.rows > budget.rowsMax) continue;
    chosen.push(index);
    rows += next.rows;
  }
  return chosen;
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
