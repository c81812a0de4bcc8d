import type { Clock } from "../batch/port.ts";

/** One at a time decides; who has to wait for a change does so out of turn. */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Something has changed: whoever waits looks again. */
  wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Resolves at the next change after this call, or after so long. */
  async change(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const cancel = ms === Number.POSITIVE_INFINITY ? () => {} : this.#clock.after(ms, resolve);
    await promise;
    cancel();
    this.#waiting.delete(resolve);
  }
}
