/** Limits on how much goes on at a time. */

/** Lets so many through at a time, in the order in which they came. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async pass<T>(action: () => T | Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

/** What `action` makes of each, so many at a time. The first failure is the whole's; no more begin. */
export async function mapSome<T, R>(
  all: readonly T[],
  atATime: number,
  action: (each: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const left = all.entries();
  let failed = false;
  const work = async (): Promise<void> => {
    for (const [index, each] of left) {
      if (failed) return;
      try {
        results[index] = await action(each, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, all.length) }, work));
  return results;
}
