/**
 * PURE: what a run costs, learned from runs: so much for itself, and so much per token. Joining two
 * requests saves a run, and costs the tokens that pad the shorter one; which of them is more
 * differs by a factor of a thousand between a CPU and an accelerator.
 */

/** Older runs count less and less: the last fifty or so make the picture. */
const keep = 0.98;
const runsMin = 8;
/** A run that took longer than so many times what was expected was disturbed by something else. */
const outlier = 4;

export class RunCost {
  #n = 0;
  #x = 0;
  #y = 0;
  #xx = 0;
  #xy = 0;
  #runs = 0;

  /** A run of so many tokens, padding included, took so long. */
  observe(tokens: number, ms: number): void {
    const expected = this.#fit();
    const most = expected === undefined ? ms : outlier * (expected.run + expected.token * tokens);
    const y = most > 0 ? Math.min(ms, most) : ms;
    this.#n = this.#n * keep + 1;
    this.#x = this.#x * keep + tokens;
    this.#y = this.#y * keep + y;
    this.#xx = this.#xx * keep + tokens * tokens;
    this.#xy = this.#xy * keep + tokens * y;
    this.#runs++;
  }

  /**
   * How many tokens a run costs by itself: so much padding is worth a run saved. 0 until enough
   * runs of different lengths were seen; Infinity when tokens cost nothing.
   */
  get spareTokens(): number {
    const fit = this.#fit();
    if (fit === undefined) return 0;
    if (fit.token <= 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, fit.run / fit.token);
  }

  /** The line of least squares; nothing while it could be any. */
  #fit(): { run: number; token: number } | undefined {
    if (this.#runs < runsMin) return undefined;
    const spread = this.#n * this.#xx - this.#x * this.#x;
    // A standard deviation of the lengths below a tenth of their mean says too little.
    if (spread < 0.01 * this.#x * this.#x) return undefined;
    const token = (this.#n * this.#xy - this.#x * this.#y) / spread;
    return { run: (this.#y - token * this.#x) / this.#n, token };
  }
}
