/**
 * The finished texts of a beam search, the best of them, as transformers' BeamHypotheses keeps them
 * (generation/beam_search.py), so that its searches end where Python's do.
 */

export type EndOfSearch = {
  readonly beams: number;
  /** Above 0 longer texts gain, below 0 shorter ones. */
  readonly lengthPenalty: number;
  /** `true`: as soon as there are as many as beams. `"never"`: only when none can be better. */
  readonly earlyStopping: boolean | "never";
  readonly newTokensMax: number;
};

type Hypothesis = { readonly score: number; readonly tokens: readonly number[] };

export class Hypotheses {
  readonly #options: EndOfSearch;
  readonly #kept: Hypothesis[] = [];

  constructor(options: EndOfSearch) {
    this.#options = options;
  }

  /** A text whose tokens' log probabilities add up to `sum`; `made` tokens of it are new. */
  add(tokens: readonly number[], sum: number, made: number): void {
    const score = this.#scoreOf(sum, made);
    if (this.#full && score <= this.#worst) return;
    // Of equal ones the later counts, as after Python's sort and pop.
    const place = this.#kept.findLastIndex((each) => each.score <= score) + 1;
    this.#kept.splice(place, 0, { score, tokens });
    if (this.#kept.length > this.#options.beams) this.#kept.shift();
  }

  /** Whether no sequence that goes on can win: `bestSum` is their best, with `made` new tokens. */
  isOver(bestSum: number, made: number): boolean {
    const { earlyStopping, lengthPenalty, newTokensMax } = this.#options;
    if (!this.#full) return false;
    if (earlyStopping === true) return true;
    const long = earlyStopping === "never" && lengthPenalty > 0;
    const attainable = this.#scoreOf(bestSum, long ? newTokensMax : made);
    return this.#worst >= attainable;
  }

  get best(): readonly number[] {
    return this.#kept.at(-1)?.tokens ?? [];
  }

  get #full(): boolean {
    return this.#kept.length >= this.#options.beams;
  }

  get #worst(): number {
    return this.#kept[0]?.score ?? Number.NEGATIVE_INFINITY;
  }

  #scoreOf(sum: number, made: number): number {
    return sum / made ** this.#options.lengthPenalty;
  }
}
