/** Requests in a Zipf order: the n-th most popular of `models` is asked for 1/n as often as the first. */
export function zipfOrder(models: number, requests: number): number[] {
  const weights = Array.from({ length: models }, (_, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const random = seeded(42);
  return Array.from({ length: requests }, () => {
    let left = random() * total;
    const rank = weights.findIndex((weight) => (left -= weight) < 0);
    return rank === -1 ? models - 1 : rank;
  });
}

/** mulberry32: the same order in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
