/**
 * Time as a parameter, so that tests can turn it by hand. Durations are compared on monotonic
 * clocks only; the wall clock is for what is written into objects.
 */
import { uptime } from "node:os";
import { performance } from "node:perf_hooks";

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds; stands still while the machine is suspended. */
  nowMs(): number;
  /** Monotonic milliseconds since boot, suspended time included. */
  bootMs(): number;
  /** Wall clock in milliseconds since the epoch: for timestamps in objects, never for deadlines. */
  wallMs(): number;
  schedule(run: () => void, delayMs: number): Timer;
}

export type Random = () => number;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  bootMs: () => uptime() * 1000,
  wallMs: () => Date.now(),
  schedule: (run, delayMs) => {
    const handle = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason when that fires first. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(reasonOf(signal));
    };
    const timer = clock.schedule(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("aborted");
}
