/**
 * Freezes a JSON value in place, all the way down: what the cache hands out cannot be changed by a
 * reader.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
