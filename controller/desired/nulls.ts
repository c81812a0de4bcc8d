/**
 * `value` without fields that are null: to Kubernetes they are absent (`env:` with nothing behind
 * it). The schema refuses them, but where it leaves open what there is, they get through. What has
 * none is given back as it is.
 */
export function withoutNulls<T>(value: T): T {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value.map(withoutNulls);
    return items.every((item, at) => item === value[at]) ? value : (items as T);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const before = Object.entries(value);
  const after = before
    .filter(([, inner]) => inner !== null)
    .map(([field, inner]: [string, unknown]) => [field, withoutNulls(inner)] as const);
  const same =
    after.length === before.length && after.every(([, inner], at) => inner === before[at]?.[1]);
  return same ? value : (Object.fromEntries(after) as T);
}
