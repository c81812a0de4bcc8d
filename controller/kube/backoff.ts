import type { Random } from "./clock.ts";

export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Delay before attempt `failures` + 1: base · 2^failures, capped, with ±25 % of jitter so that many
 * clients that failed together do not come back together.
 */
export function backoffMs(backoff: Backoff, failures: number, random: Random): number {
  // 2^40 base delays exceed any cap in use; the limit keeps the power finite.
  const raw = backoff.baseMs * 2 ** Math.min(failures, 40);
  return Math.min(raw, backoff.capMs) * (0.75 + random() * 0.5);
}
