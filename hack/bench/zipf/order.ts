/**
 * Requests in a Zipf order: the n-th most popular of `models` is asked for 1/n as often as the
 * first. The same for the same seed.
 */
export function zipfOrder(models: number, requests: number, seed: number): number[] {
  const weights = Array.from({ length: models }, (_, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const random = seeded(seed);
  return Array.from({ length: requests }, () => {
    let left = random() * total;
    const rank = weights.findIndex((weight) => (left -= weight) < 0);
    return rank === -1 ? models - 1 : rank;
  });
}

/** How many requests find their model among the last so many different ones. */
export function lruHits(order: readonly number[], capacity: number): number {
  const kept = new Set<number>();
  let hits = 0;
  for (const model of order) {
    if (kept.delete(model)) hits += 1;
    kept.add(model);
    const [oldest] = kept;
    if (kept.size > capacity && oldest !== undefined) kept.delete(oldest);
  }
  return hits;
}

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
