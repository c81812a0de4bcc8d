import { setTimeout } from "node:timers/promises";

/**
 * Waits until `check` gives something other than undefined or false, looking every few
 * milliseconds. For real processes and sockets, which no fake clock moves.
 */
export async function eventually<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 15_000,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await setTimeout(10);
  }
}
