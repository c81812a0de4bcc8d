/**
 * Beam search as transformers does it (`_beam_search` of its generation/utils.py, BeamSearchScorer):
 * the likeliest sequences go on side by side, as rows of one run.
 */
import { logSoftmax, topIndexes } from "../scores.ts";
import { constrained } from "./constraints.ts";
import type { Constraints } from "./constraints.ts";
import { Hypotheses } from "./hypotheses.ts";
import type { EndOfSearch } from "./hypotheses.ts";
import { warped } from "./sampling.ts";
import type { Sampling } from "./sampling.ts";
import type { Row, Step } from "./step.ts";

export type BeamSearch = EndOfSearch &
  Constraints &
  Sampling & {
    /** Numbers from 0 to 1, where tokens are drawn. */
    readonly random: () => number;
    /** Whether these tokens hold a text that ends the generation; without it, none does. */
    readonly stops?: ((all: readonly number[]) => Promise<boolean>) | undefined;
  };

/** `sum` adds up the log probabilities of its new tokens. */
type Beam = Row & { readonly sum: number };
type Candidate = { readonly beam: number; readonly token: number; readonly sum: number };

/** So unlikely that of beams which are still the same only the first one counts. */
const unlikely = -1e9;

/** All tokens of the best sequence, those of `start` included, without the one that ended it. */
export async function beamSearch(
  start: readonly number[],
  step: Step,
  search: BeamSearch,
): Promise<readonly number[]> {
  const finished = new Hypotheses(search);
  let beams: readonly Beam[] = Array.from({ length: search.beams }, (_, index) => ({
    all: start,
    from: 0,
    sum: index === 0 ? 0 : unlikely,
  }));
  for (let made = 0; made < search.newTokensMax; made++) {
    // Until the first tokens tell them apart, one row stands for all.
    const scores = made === 0 ? await step(beams.slice(0, 1)) : await step(beams);
    const rowOf = (beam: number): number => (made === 0 ? 0 : beam);
    const sums = beams.map((beam, index) =>
      sumsOf(beam, scores[rowOf(index)] ?? new Float64Array(), made, search),
    );
    const likeliest = candidates(sums, search);
    const { going, ended } = goOn(beams, likeliest, search);
    for (const { all, sum } of ended) finished.add(all, sum, made + 1);
    beams = going.map((each) => ({ ...each, from: rowOf(each.from) }));
    const bestSum = likeliest[0]?.sum ?? unlikely;
    if (finished.isOver(bestSum, made + 1)) return finished.best;
    if (await allStop(beams, search)) break;
  }
  for (const { all, sum } of beams) finished.add(all, sum, all.length - start.length);
  return finished.best;
}

/** For each token that may come next, what the beam's log probabilities add up to with it. */
function sumsOf(
  { all, sum }: Beam,
  scores: Float64Array,
  made: number,
  search: BeamSearch,
): Float64Array {
  const left = constrained(logSoftmax(scores), all, made, search);
  // As many as candidates for one beam are kept, whatever the request says.
  const topK = search.topK === 0 ? 0 : Math.max(search.topK, 1 + search.ends.size);
  const likely = search.doSample ? warped(left, { ...search, topK }) : left;
  return likely.map((each) => each + sum);
}

/** So many that enough go on even if each beam's likeliest tokens end it; the likeliest first. */
function candidates(sums: readonly Float64Array[], search: BeamSearch): readonly Candidate[] {
  const width = sums[0]?.length ?? 0;
  const flat = new Float64Array(width * sums.length);
  for (const [index, each] of sums.entries()) flat.set(each, index * width);
  const count = Math.max(2, 1 + search.ends.size) * search.beams;
  const places = search.doSample
    ? topIndexes(withNoise(flat, search.random), count).sort(
        (one, other) => (flat[other] ?? 0) - (flat[one] ?? 0),
      )
    : topIndexes(flat, count);
  return places.map((place) => ({
    beam: Math.floor(place / width),
    token: place % width,
    sum: flat[place] ?? unlikely,
  }));
}

/** The highest of these are a draw without putting back by the probabilities: Gumbel's trick. */
function withNoise(logs: Float64Array, random: () => number): Float64Array {
  return logs.map((log) => log - Math.log(-Math.log(random() || Number.MIN_VALUE)));
}

/** The beams of the next step, and those whose next token ends them, if they are likely enough. */
function goOn(
  beams: readonly Beam[],
  likeliest: readonly Candidate[],
  { ends, beams: count }: BeamSearch,
): { readonly going: readonly Beam[]; readonly ended: readonly Beam[] } {
  const going: Beam[] = [];
  const ended: Beam[] = [];
  for (const [rank, { beam, token, sum }] of likeliest.entries()) {
    const all = beams[beam]?.all ?? [];
    if (!ends.has(token)) going.push({ all: [...all, token], from: beam, sum });
    else if (rank < count) ended.push({ all, from: beam, sum });
    if (going.length === count) break;
  }
  return { going, ended };
}

async function allStop(beams: readonly Beam[], { stops }: BeamSearch): Promise<boolean> {
  if (stops === undefined) return false;
  for (const { all } of beams) if (!(await stops(all))) return false;
  return true;
}
