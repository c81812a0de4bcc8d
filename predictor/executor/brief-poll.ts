/**
 * Keeps the event loop from sleeping while a short run is under way. Waking a process that sleeps
 * takes the kernel longer than a small model takes to run: for such runs the loop polls instead, a
 * moment long, and goes to sleep when the answer doesn't come (docs/decisions/0014).
 */

/** A longer run costs more than the sleep that polling would save. */
const shortRunMs = 0.25;
/** From sending a run until the loop may sleep: the run, and the way there and back. */
const pollMs = 0.25;

export type BriefPollOptions = {
  /** Whether an answer is awaited. */
  readonly waiting: () => boolean;
  readonly nowMs?: () => number;
  /** Calls back on the loop's next turn, which doesn't sleep before. */
  readonly onNextTurn?: (callback: () => void) => void;
};

export class BriefPoll {
  /** Off where there is no CPU to spare: the model may need the one that polls. */
  enabled = false;
  readonly #waiting: () => boolean;
  readonly #nowMs: () => number;
  readonly #onNextTurn: (callback: () => void) => void;
  #short = false;
  #polling = false;
  #untilMs = 0;

  constructor(options: BriefPollOptions) {
    this.#waiting = options.waiting;
    this.#nowMs = options.nowMs ?? ((): number => performance.now());
    this.#onNextTurn = options.onNextTurn ?? setImmediate;
  }

  /** A run was sent. */
  sent(): void {
    if (!this.enabled || !this.#short) return;
    this.#untilMs = this.#nowMs() + pollMs;
    if (this.#polling) return;
    this.#polling = true;
    this.#onNextTurn(this.#turn);
  }

  /** A run took so long, by the executor's clock. The next one is taken to be like it. */
  ran(ms: number): void {
    this.#short = ms < shortRunMs;
  }

  readonly #turn = (): void => {
    this.#polling = this.#waiting() && this.#nowMs() < this.#untilMs;
    if (this.#polling) this.#onNextTurn(this.#turn);
  };
}
