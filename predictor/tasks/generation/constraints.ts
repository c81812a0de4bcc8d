/**
 * What changes the scores of next tokens whichever way one of them is chosen: transformers'
 * processors, in transformers' order (`_get_logits_processor` of its generation/utils.py).
 */

export type Repetition = {
  readonly repetitionPenalty: number;
  /** 0 lets everything repeat. */
  readonly noRepeatNgramSize: number;
};

export type Constraints = Repetition & {
  readonly newTokensMax: number;
  readonly newTokensMin: number;
  /** Tokens that end a text. */
  readonly ends: ReadonlySet<number>;
  /** Sequences of tokens that never come. */
  readonly banned: readonly (readonly number[])[];
  /** The only token that may come first, where a model wants one: a language's. */
  readonly forcedFirst: number | undefined;
  /** The only token that may be the last that the length allows. */
  readonly forcedLast: number | undefined;
};

const never = Number.NEGATIVE_INFINITY;

/** The scores after `history`, of which the last `made` tokens are new. */
export function constrained(
  scores: Float64Array,
  history: readonly number[],
  made: number,
  constraints: Constraints,
): Float64Array {
  const { ends, banned, newTokensMax, newTokensMin, forcedFirst, forcedLast } = constraints;
  const changed = penalized(scores, history, constraints);
  for (const word of banned) {
    const last = word.at(-1);
    if (last !== undefined && endsWith(history, word.slice(0, -1))) changed[last] = never;
  }
  if (made < newTokensMin) for (const end of ends) changed[end] = never;
  const forced = made === newTokensMax - 1 ? forcedLast : undefined;
  const only = forced ?? (history.length === 1 ? forcedFirst : undefined);
  if (only !== undefined) {
    changed.fill(never);
    changed[only] = 0;
  }
  return changed;
}

function endsWith(history: readonly number[], end: readonly number[]): boolean {
  const start = history.length - end.length;
  return start >= 0 && end.every((token, index) => history[start + index] === token);
}

/** Scores after what speaks against repetitions. */
export function penalized(
  scores: Float64Array,
  history: readonly number[],
  { repetitionPenalty, noRepeatNgramSize }: Repetition,
): Float64Array {
  const changed = scores.slice();
  if (repetitionPenalty !== 1) {
    for (const token of new Set(history)) {
      const score = changed[token] ?? 0;
      changed[token] = score < 0 ? score * repetitionPenalty : score / repetitionPenalty;
    }
  }
  for (const token of repeating(history, noRepeatNgramSize)) changed[token] = never;
  return changed;
}

/** The tokens that would end a sequence of `size` tokens which stands in the history already. */
function repeating(history: readonly number[], size: number): Set<number> {
  const banned = new Set<number>();
  if (size <= 0 || history.length + 1 < size) return banned;
  const end = history.slice(history.length - size + 1);
  for (let start = 0; start + size <= history.length; start++) {
    const last = history[start + size - 1];
    if (last !== undefined && end.every((token, index) => history[start + index] === token)) {
      banned.add(last);
    }
  }
  return banned;
}
