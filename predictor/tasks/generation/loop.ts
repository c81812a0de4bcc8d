/** The loop of generation, the same for every architecture: a step, a token, until the end. */
import { randomBytes } from "node:crypto";
import type { GenerationOptions } from "./options.ts";
import { Pieces } from "./pieces.ts";
import { nextToken, penalized, seededRandom } from "./sampling.ts";

export type Generation = {
  /** What the decoder begins with: the prompt, or its start token. */
  readonly start: readonly number[];
  /** Scores of the next token, after these new ones; `all` are all tokens so far. */
  readonly step: (fresh: readonly number[], all: readonly number[]) => Promise<Float64Array>;
  readonly ends: ReadonlySet<number>;
  /** All tokens as the text that came with them. */
  readonly textOf: (all: readonly number[]) => Promise<string>;
  readonly emit: (piece: string) => void;
};

/** The new text. Emits it piece by piece as well. */
export async function generate(
  generation: Generation,
  options: GenerationOptions,
): Promise<string> {
  const { start, step, ends, textOf, emit } = generation;
  const random = seededRandom(options.seed ?? randomBytes(6).readUIntBE(0, 6));
  const pieces = new Pieces(options.stop);
  const all = [...start];
  let fresh: readonly number[] = start;
  for (let count = 0; count < options.newTokensMax; count++) {
    const scores = penalized(await step(fresh, all), all, options);
    if (count < options.newTokensMin)
      for (const end of ends) scores[end] = Number.NEGATIVE_INFINITY;
    const token = nextToken(scores, options, random);
    all.push(token);
    fresh = [token];
    const stopped = pieces.grow(await textOf(all));
    if (stopped || ends.has(token)) break;
    const piece = pieces.take(false);
    if (piece !== "") emit(piece);
  }
  const rest = pieces.take(true);
  if (rest !== "") emit(rest);
  return pieces.text;
}
