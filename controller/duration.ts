/** Lengths of time as people write them. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration in Go's notation (`90s`, `1m30s`, `500ms`; a bare number means seconds), else undefined. */
export function parseDurationMs(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) {
    return Math.round(Number(text) * 1000);
  }
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    return undefined;
  }
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    sum += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  }
  return Math.round(sum);
}

/** A duration for people: three digits that count, in the unit that needs no thought. */
export function formatDuration(ms: number): string {
  if (ms < 10_000) {
    return `${(ms / 1000).toFixed(2)} s`;
  }
  if (ms < 60_000) {
    return `${(ms / 1000).toFixed(1)} s`.replace(".0 s", " s");
  }
  const seconds = Math.round(ms / 1000);
  const rest = seconds % 60;
  return seconds < 120
    ? `${seconds} s`
    : `${Math.floor(seconds / 60)} min${rest === 0 ? "" : ` ${rest} s`}`;
}
