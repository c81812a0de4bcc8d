const DECIMAL = /^[1-9]\d{0,39}$/;

/**
 * Whether resourceVersion `a` is newer than `b`. Kubernetes promises that versions of one resource
 * compare as integers (KEP-5504); what is no integer cannot be ordered, and then any difference
 * counts as newer, so that nothing is missed.
 */
export function isNewer(a: string, b: string): boolean {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return a !== b;
  return a.length === b.length ? a > b : a.length > b.length;
}
