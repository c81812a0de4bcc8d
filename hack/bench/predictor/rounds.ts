/**
 * Rounds over contestants that all stand ready, one working at a time: a noisy minute hits them
 * alike, and the ratio of two is taken within each round.
 */
import type { Contestant } from "./contestants.ts";
import { measuredOf } from "./samples.ts";
import type { Measured, Sample } from "./samples.ts";
import { summarize } from "./stats.ts";
import type { Summary } from "./stats.ts";

/**
 * V8 compiles what a request goes through step by step, by how often it was called: with a model of
 * 254 MB, whose runs empty the caches, the first 250 requests take half a millisecond more than the
 * ones after 1,700 (docs/decisions/0018). What serves for longer than a minute is measured.
 */
const warmUpAnswers = 2000;

export type Cell = {
  readonly model: string;
  readonly contestant: string;
  readonly connections: number;
  /** One per round. */
  readonly rounds: readonly Measured[];
};

export type Plan = {
  readonly model: string;
  readonly levels: readonly number[];
  readonly rounds: number;
  /** How long a cell is measured in each round. */
  readonly ms: number;
  /** In how many turns, between which the others have theirs: 1 when not given. */
  readonly turns?: number;
};

/**
 * Measures every contestant at every level, in alternating order. With several turns in a round, a
 * cell's figures are those of its turns together: what the host does for ten seconds then hits all.
 */
export async function measureRounds(
  contestants: readonly Contestant[],
  { model, levels, rounds, ms, turns = 1 }: Plan,
): Promise<Cell[]> {
  for (const each of contestants) {
    await warmUp(each, ms / 2);
    await each.measure(Math.max(...levels), ms / 2);
  }
  const cells = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round++) {
    for (const connections of levels) {
      const samples = contestants.map((): Sample[] => []);
      for (let turn = 0; turn < turns; turn++) {
        const order = [...contestants.entries()];
        if ((round + turn) % 2 === 1) order.reverse();
        for (const [index, each] of order) {
          samples[index]?.push(await each.measure(connections, ms / turns));
        }
      }
      for (const [index, { name }] of contestants.entries()) {
        const key = JSON.stringify([name, connections]);
        cells.set(key, [...(cells.get(key) ?? []), measuredOf(samples[index] ?? [])]);
      }
    }
    process.stderr.write(`${model}: round ${round + 1} of ${rounds}\n`);
  }
  return [...cells].map(([key, measured]) => {
    const [contestant, connections] = JSON.parse(key) as [string, number];
    return { model, contestant, connections, rounds: measured };
  });
}

async function warmUp(contestant: Contestant, ms: number): Promise<void> {
  for (let answers = 0; answers < warmUpAnswers;) {
    const { latencies } = await contestant.measure(1, ms);
    if (latencies.length === 0) throw new Error(`${contestant.name} answers nothing`);
    answers += latencies.length;
  }
}

/** A figure of a cell over its rounds. */
export function over(cell: Cell, pick: (measured: Measured) => number): Summary {
  return summarize(cell.rounds.map(pick));
}

/** A figure made of two cells, round by round. */
export function between(
  one: Cell,
  other: Cell,
  combine: (one: Measured, other: Measured) => number,
): Summary {
  const pairs = one.rounds.flatMap((measured, round) => {
    const opposite = other.rounds[round];
    return opposite === undefined ? [] : [combine(measured, opposite)];
  });
  return summarize(pairs);
}
