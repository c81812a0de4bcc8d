/** Decides, without I/O, what a reflector does after a watch ended or a step failed. */
import { backoffMs, type Backoff } from "./backoff.ts";
import type { Random } from "./clock.ts";
import { ApiError, DecodeError, isGone, isNotFound } from "./errors.ts";
import type { RelistReason } from "./hooks.ts";

export const REFLECTOR_BACKOFF: Backoff = { baseMs: 800, capMs: 30_000 };
/**
 * A watch that ends sooner and brought nothing is counted as a failure: else it would be a tight
 * loop.
 */
const SHORT_WATCH_MS = 1000;
/** After so many refusals to resume a watch, a list shows what is the matter. */
const RESUMES_MAX = 5;

export interface Step {
  /** Undefined: resume the watch where it stopped. */
  readonly relist: RelistReason | undefined;
  readonly delayMs: number;
  /** Failures in a row, this one included. */
  readonly failures: number;
}

/** After a watch that the server ended in good order. */
export function afterWatch(
  watch: { readonly livedMs: number; readonly frames: number },
  failures: number,
  random: Random,
): Step {
  if (watch.frames > 0 || watch.livedMs >= SHORT_WATCH_MS) {
    return { relist: undefined, delayMs: 0, failures: 0 };
  }
  const delayMs = backoffMs(REFLECTOR_BACKOFF, failures, random);
  const relist = failures + 1 >= RESUMES_MAX ? "error" : undefined;
  return { relist, delayMs, failures: failures + 1 };
}

/** After an error of a list or a watch: whatever it was, we come back, for ever. */
export function afterError(error: unknown, failures: number, random: Random): Step {
  const ownMs = backoffMs(REFLECTOR_BACKOFF, failures, random);
  const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  const next = { delayMs: Math.max(ownMs, askedMs), failures: failures + 1 };
  if (isGone(error)) {
    // The first one is news about our resourceVersion, not about the server: relist at once.
    return { ...next, relist: "410", delayMs: failures === 0 ? askedMs : next.delayMs };
  }
  if (isNotFound(error)) return { ...next, relist: "missing" };
  return { ...next, relist: needsList(error, failures) ? "error" : undefined };
}

/**
 * No answer says nothing about our version: after an outage, however long, the watch is resumed and
 * the server says whether it can. An answer that keeps being an error may be about our version.
 */
function needsList(error: unknown, failures: number): boolean {
  if (error instanceof DecodeError) return true;
  if (!(error instanceof ApiError)) return false;
  const isPassing = error.status === 429 || error.status >= 500;
  return !isPassing || failures + 1 >= RESUMES_MAX;
}
