/**
 * PURE: what a run costs, learned from runs: so much for itself, and so much per token. Joining two
 * requests saves a run, and costs the tokens that pad the shorter one; which of them is more
 * differs by a factor of a thousand between a CPU and an accelerator.
 */

/** Nothing is concluded from the first runs, for which the machine was cold. */
const runsMin = 64;
/** A disturbance only ever adds: a mean follows faster runs soon, and slower ones slowly. */
const faster = 0.5;
const slower = 0.1;
/** A run that took longer than so many times what was expected was disturbed by something else. */
const outlier = 2;
/** Runs of sizes closer than this say nothing of others. */
const spreadMin = 4;
/** After so many padded runs without one of a single request, one runs alone. */
const exploreEvery = 32;

export type ObservedRun = {
  /** Padding included. */
  readonly tokens: number;
  /** How many of them are padding. */
  readonly padding: number;
  readonly requests: number;
  readonly ms: number;
};

/** The means of the runs of about one size. */
type Mean = { tokens: number; ms: number };

export class RunCost {
  /**
   * By powers of two, each of equal weight however many runs it has: where batches are padded to
   * the full all are of one size, and the line through that crowd alone could have any slope.
   */
  readonly #means = new Map<number, Mean>();
  #runs = 0;
  /** Runs with padding since the last one of a single request. */
  #padded = 0;

  observe({ tokens, padding, requests, ms }: ObservedRun): void {
    this.#runs++;
    if (requests === 1) this.#padded = 0;
    else if (padding > 0) this.#padded++;
    const size = Math.floor(Math.log2(tokens));
    const mean = this.#means.get(size);
    if (mean === undefined) {
      this.#means.set(size, { tokens, ms });
      return;
    }
    const expected = mean.ms * (tokens / mean.tokens);
    const most = outlier * Math.max(mean.ms, expected);
    const rate = ms < expected ? faster : slower;
    mean.tokens += rate * (tokens - mean.tokens);
    mean.ms += rate * (Math.min(ms, most) - mean.ms);
  }

  /**
   * How many tokens a run costs by itself: so much padding is worth a run saved. 0 until enough
   * runs of different sizes were seen; Infinity when tokens cost nothing.
   */
  get spareTokens(): number {
    const fit = this.#fit();
    if (fit === undefined) return 0;
    if (fit.token <= 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, fit.run / fit.token);
  }

  /**
   * Whether the next request had better run alone, to show what that costs by now: small runs stay
   * known while batches are large. The others in the queue wait for it; so not where nothing is
   * padded, and no price of padding asked for, nor where requests run alone anyway.
   */
  get explores(): boolean {
    return this.#runs >= runsMin && this.#padded >= exploreEvery;
  }

  /**
   * The line of least squares of relative errors: a disturbance takes its share of a run, and the
   * large ones would drown what the small ones tell.
   */
  #fit(): { run: number; token: number } | undefined {
    if (this.#runs < runsMin) return undefined;
    const sizes = [...this.#means.values()].map(({ tokens }) => tokens);
    if (Math.max(...sizes) < spreadMin * Math.min(...sizes)) return undefined;
    const sums = { w: 0, x: 0, y: 0, xx: 0, xy: 0 };
    for (const { tokens, ms } of this.#means.values()) {
      const weight = 1 / Math.max(ms, Number.EPSILON) ** 2;
      sums.w += weight;
      sums.x += weight * tokens;
      sums.y += weight * ms;
      sums.xx += weight * tokens * tokens;
      sums.xy += weight * tokens * ms;
    }
    const { w, x, y, xx, xy } = sums;
    const token = (w * xy - x * y) / (w * xx - x * x);
    return { run: (y - token * x) / w, token };
  }
}
