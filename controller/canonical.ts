/** PURE: values as text that is equal when they are; the order of keys means nothing. */

/**
 * `value` is JSON. The text is a part of digests that lie in clusters: it must not change, not even
 * with a release.
 */
export function canonical(value: unknown): string {
  // A replacer would be called for each value, and take twice as long.
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const fields = value as Readonly<Record<string, unknown>>;
  // Not by assignment, which does something else with a key named __proto__.
  return Object.fromEntries(
    Object.keys(fields)
      .toSorted()
      .map((key) => [key, sorted(fields[key])]),
  );
}
