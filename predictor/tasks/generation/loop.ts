/** The loop of generation, the same for every architecture: a step, a token, until the end. */
import { randomBytes } from "node:crypto";
import { beamSearch } from "./beam-search.ts";
import { constrained } from "./constraints.ts";
import type { GenerationOptions } from "./options.ts";
import { Pieces } from "./pieces.ts";
import { nextToken, seededRandom } from "./sampling.ts";
import type { Row, Step } from "./step.ts";

export type Generation = {
  /** What the decoder begins with: the prompt, or its start token. */
  readonly start: readonly number[];
  readonly step: Step;
  /** All tokens as the text that came with them. */
  readonly textOf: (all: readonly number[]) => Promise<string>;
  readonly emit: (piece: string) => void;
};

/**
 * The new text. Emits it piece by piece as well; with several beams in one piece at the end, for
 * which of them is the answer shows only then.
 */
export async function generate(
  generation: Generation,
  options: GenerationOptions,
): Promise<string> {
  const { start, step, textOf, emit } = generation;
  const random = seededRandom(options.seed ?? randomBytes(6).readUIntBE(0, 6));
  const pieces = new Pieces(options.stop);
  const stops = async (all: readonly number[]): Promise<boolean> =>
    new Pieces(options.stop).grow(await textOf(all));
  if (options.beams > 1) {
    const search = { ...options, random, stops: options.stop.length > 0 ? stops : undefined };
    const best = await beamSearch(start, step, search);
    pieces.grow(await textOf(best));
  } else {
    let row: Row = { all: start, from: 0 };
    for (let made = 0; made < options.newTokensMax; made++) {
      const [scores = new Float64Array()] = await step([row]);
      const token = nextToken(constrained(scores, row.all, made, options), options, random);
      row = { all: [...row.all, token], from: 0 };
      const stopped = pieces.grow(await textOf(row.all));
      if (stopped || options.ends.has(token)) break;
      const piece = pieces.take(false);
      if (piece !== "") emit(piece);
    }
  }
  const rest = pieces.take(true);
  if (rest !== "") emit(rest);
  return pieces.text;
}
