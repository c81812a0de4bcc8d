/** What the search for a text asks of a model: the scores of each sequence's next token. */

/** A sequence that is to go on. */
export type Row = {
  /** All of its tokens so far. */
  readonly all: readonly number[];
  /** The row of the step before that it continues; without meaning in the first step. */
  readonly from: number;
};

/** Scores of the next token for each row, in their order. The first step has one row. */
export type Step = (rows: readonly Row[]) => Promise<readonly Float64Array[]>;
