/** From next-token scores to a token: the highest score, or one drawn by a seeded generator. */
import { argmax, softmax, topIndexes } from "../scores.ts";

export type Sampling = {
  readonly doSample: boolean;
  readonly temperature: number;
  /** 0 keeps all. */
  readonly topK: number;
  /** 1 keeps all. */
  readonly topP: number;
};

const never = Number.NEGATIVE_INFINITY;

/** The scores that a token is drawn by: -Infinity for what temperature, top_k and top_p drop. */
export function warped(scores: Float64Array, sampling: Sampling): Float64Array {
  const { temperature, topK, topP } = sampling;
  let left: Float64Array = scores.map((score) => score / temperature);
  if (topK > 0 && topK < left.length) {
    const least = left[topIndexes(left, topK).at(-1) ?? 0] ?? never;
    left = left.map((score) => (score < least ? never : score));
  }
  return topP < 1 ? nucleus(left, topP) : left;
}

/** The fewest tokens, the likeliest first, whose probabilities add up to `topP`; at least one. */
function nucleus(scores: Float64Array, topP: number): Float64Array {
  const likely = softmax(scores);
  const ascending = Uint32Array.from(likely.keys()).sort(
    (one, other) => (likely[one] ?? 0) - (likely[other] ?? 0),
  );
  const kept = scores.slice();
  let sum = 0;
  for (const index of ascending.subarray(0, -1)) {
    sum += likely[index] ?? 0;
    if (sum > 1 - topP) break;
    kept[index] = never;
  }
  return kept;
}

/** The next token. `random` gives numbers from 0 to 1; greedy search doesn't ask it. */
export function nextToken(scores: Float64Array, sampling: Sampling, random: () => number): number {
  if (!sampling.doSample) return argmax(scores);
  const likely = softmax(warped(scores, sampling));
  let rest = random();
  let last = 0;
  for (const [token, probability] of likely.entries()) {
    if (probability === 0) continue;
    rest -= probability;
    last = token;
    if (rest < 0) break;
  }
  return last;
}

/** sfc32 (C. Doty-Humphrey's), seeded by one number: the same numbers on every machine. */
export function seededRandom(seed: number): () => number {
  let [a, b, c, counter] = [seed | 0, Math.floor(seed / 2 ** 32) | 0, 0x9e37_79b9, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let warmUp = 0; warmUp < 15; warmUp++) next();
  return next;
}
