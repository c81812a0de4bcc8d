/** From logits to scores, as numpy does it in Python's pipelines, and the best of them. */

/** Sums to one; safe for large logits. -Infinity becomes 0. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let max = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < logits.length; index++) max = Math.max(max, logits[index] ?? max);
  const scores = Float64Array.from(logits, (logit) => Math.exp(logit - max));
  const sum = scores.reduce((total, each) => total + each, 0);
  return scores.map((each) => each / sum);
}

/** Logarithms of what softmax gives, without its rounding to 0. */
export function logSoftmax(logits: Float64Array): Float64Array {
  const max = logits.reduce((most, each) => Math.max(most, each), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, each) => total + Math.exp(each - max), 0);
  const shift = max + Math.log(sum);
  return logits.map((each) => each - shift);
}

export function sigmoid(logits: ArrayLike<number>): Float64Array {
  return Float64Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
}

/** The places of the `count` highest scores, the highest first; of equal ones the first. */
export function topIndexes(scores: ArrayLike<number>, count: number): number[] {
  const best: number[] = [];
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index] ?? 0;
    if (best.length === count && score <= (scores[best[count - 1] ?? 0] ?? 0)) continue;
    let at = best.length;
    while (at > 0 && (scores[best[at - 1] ?? 0] ?? 0) < score) at--;
    best.splice(at, 0, index);
    if (best.length > count) best.pop();
  }
  return best;
}

/** The place of the highest score. */
export function argmax(scores: ArrayLike<number>): number {
  return topIndexes(scores, 1)[0] ?? 0;
}
