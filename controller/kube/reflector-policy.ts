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

/** What went wrong in a row before. */
export interface History {
  readonly failures: number;
  /** Of these, how often the server answered, and refused to resume the watch. */
  readonly refusals: number;
}

export interface Step extends History {
  /** Undefined: resume the watch where it stopped. */
  readonly relist: RelistReason | undefined;
  readonly delayMs: number;
}

export const NO_TROUBLE: History = { failures: 0, refusals: 0 };

/** After a watch that the server ended in good order. */
export function afterWatch(
  watch: { readonly livedMs: number; readonly frames: number },
  { failures, refusals }: History,
  random: Random,
): Step {
  if (watch.frames > 0 || watch.livedMs >= SHORT_WATCH_MS) {
    return { ...NO_TROUBLE, relist: undefined, delayMs: 0 };
  }
  return {
    failures: failures + 1,
    refusals: refusals + 1,
    delayMs: backoffMs(REFLECTOR_BACKOFF, failures, random),
    relist: refusals + 1 >= RESUMES_MAX ? "error" : undefined,
  };
}

/** After an error of a list or a watch: whatever it was, we come back, for ever. */
export function afterError(error: unknown, { failures, refusals }: History, random: Random): Step {
  const ownMs = backoffMs(REFLECTOR_BACKOFF, failures, random);
  const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  const isRefusal = error instanceof ApiError && error.status >= 500;
  const next = {
    delayMs: Math.max(ownMs, askedMs),
    failures: failures + 1,
    refusals: isRefusal ? refusals + 1 : 0,
  };
  if (isGone(error)) {
    // The first one is news about our resourceVersion, not about the server: relist at once.
    return { ...next, relist: "410", delayMs: failures === 0 ? askedMs : next.delayMs };
  }
  if (isNotFound(error)) return { ...next, relist: "missing" };
  return { ...next, relist: needsList(error, next.refusals) ? "error" : undefined };
}

/**
 * No answer says nothing about our version, and 429 ("storage is initializing") little: after an
 * outage, however long, the watch is resumed, so that a restarted server is not met by the lists of
 * all its clients. One that keeps failing when asked to resume may have lost our version.
 */
function needsList(error: unknown, refusals: number): boolean {
  if (error instanceof DecodeError || refusals >= RESUMES_MAX) return true;
  return error instanceof ApiError && error.status !== 429 && error.status < 500;
}
