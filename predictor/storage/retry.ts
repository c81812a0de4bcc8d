import { setTimeout as sleep } from "node:timers/promises";

import { StorageError } from "./storage-error.ts";

/** How often something is tried, and how long is waited between: doubling, jittered, capped. */
export interface RetryPolicy {
  readonly attemptsMax: number;
  readonly delayMs: number;
  readonly delayMsMax: number;
}

/** About 12 s in all: a storage server that restarts is outlived, a wrong address soon reported. */
export const DEFAULT_RETRY: RetryPolicy = { attemptsMax: 6, delayMs: 400, delayMsMax: 5000 };

/** A failure that another attempt may not meet: a lost connection, a 503, a truncated body. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options?: { cause?: unknown; retryAfterMs?: number | undefined }) {
    super(message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** One failed attempt that will be followed by another: what a log wants to know. */
export interface RetryNotice {
  readonly attempt: number;
  readonly delayMs: number;
  readonly message: string;
}

export interface Retrying {
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
  /** What is being fetched, for messages. */
  readonly shown: string;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
}

/**
 * Runs `attempt` until it succeeds or throws something else than TransientError. Throws StorageError
 * "unavailable" when the last attempt failed too, the signal's reason when it is aborted.
 */
export async function retry<T>(attempt: () => Promise<T>, how: Retrying): Promise<T> {
  for (let number = 1; ; number += 1) {
    how.signal.throwIfAborted();
    try {
      return await attempt();
    } catch (cause) {
      how.signal.throwIfAborted();
      if (!(cause instanceof TransientError)) throw cause;
      if (number >= how.policy.attemptsMax) {
        throw new StorageError(
          "unavailable",
          `${how.shown}: ${cause.message}, ${number} attempts; ` +
            "check the address, the network policies and whether the server runs",
          { cause },
        );
      }
      const delayMs = selectDelayMs(number, cause.retryAfterMs, how.policy);
      how.onRetry?.({ attempt: number, delayMs, message: cause.message });
      await sleep(delayMs, undefined, { signal: how.signal });
    }
  }
}

/** Half of the delay is random, so that the pods of a revision don't come back all at once. */
function selectDelayMs(
  attempt: number,
  retryAfterMs: number | undefined,
  policy: RetryPolicy,
): number {
  const backoffMs = policy.delayMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
  return Math.min(policy.delayMsMax, Math.max(backoffMs, retryAfterMs ?? 0));
}
