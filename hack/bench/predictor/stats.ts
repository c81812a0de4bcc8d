/** The few statistics that the benchmarks print. */

/** Nearest-rank percentile of ascending values; NaN of none. */
export function percentile(ascending: ArrayLike<number>, percent: number): number {
  const index = Math.ceil((percent / 100) * ascending.length) - 1;
  return ascending[Math.max(0, index)] ?? Number.NaN;
}

/** The values of several arrays in one. */
export function joined(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}

export type Summary = { readonly median: number; readonly min: number; readonly max: number };

/** The middle of several rounds, and how far they lay apart. */
export function summarize(values: readonly number[]): Summary {
  const ascending = values.toSorted((left, right) => left - right);
  const middle = (ascending.length - 1) / 2;
  const [low, high] = [ascending[Math.floor(middle)], ascending[Math.ceil(middle)]];
  return {
    median: ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2,
    min: ascending[0] ?? Number.NaN,
    max: ascending.at(-1) ?? Number.NaN,
  };
}

/** Three significant digits or whole numbers, for tables. */
export function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}

/** "median (min–max)". */
export function shown({ median, min, max }: Summary): string {
  return `${short(median)} (${short(min)}–${short(max)})`;
}
