import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../errors.ts";

/**
 * Asks again and again, each time so long after the last answer, until the signal. A failure is
 * reported and doesn't end it. A tenth of the wait is random, so that pods don't ask all at once.
 */
export function poll(
  intervalMs: number,
  ask: () => Promise<void>,
  { signal, failed }: { readonly signal: AbortSignal; readonly failed: (reason: string) => void },
): void {
  const forEver = async (): Promise<void> => {
    for (;;) {
      await sleep(intervalMs * (0.95 + Math.random() / 10), undefined, { signal, ref: false });
      try {
        await ask();
      } catch (error) {
        signal.throwIfAborted();
        failed(messageOf(error));
      }
    }
  };
  forEver().catch(() => {}); // Only the signal ends it.
}
