import { setTimeout as delay } from "node:timers/promises";

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly intervalMs?: number;
  /** Throws when waiting on is pointless, for instance because a process ended. */
  readonly check?: () => Promise<void>;
}

const INTERVAL_MS = 100;

/**
 * Asks until the answer is not undefined and returns it. A probe that throws counts as a "not
 * yet"; its last error is the cause of the error thrown when the time is up.
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  options: WaitOptions,
): Promise<T> {
  const deadlineMs = performance.now() + options.timeoutMs;
  let last: unknown;
  for (;;) {
    await options.check?.();
    try {
      const answer = await probe();
      if (answer !== undefined) {
        return answer;
      }
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadlineMs) {
      const why = last instanceof Error ? `: ${last.message}` : "";
      throw new Error(`${what}: not within ${options.timeoutMs / 1000} s${why}`, { cause: last });
    }
    await delay(options.intervalMs ?? INTERVAL_MS);
  }
}
