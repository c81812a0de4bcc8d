/**
 * Rounds over contestants that all stand ready, one working at a time: a noisy minute hits them
 * alike, and the ratio of two is taken within each round.
 */
import type { Contestant } from "./contestants.ts";
import type { Measured } from "./load.ts";
import { summarize } from "./stats.ts";
import type { Summary } from "./stats.ts";

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
};

/** Measures every contestant at every level, in alternating order. */
export async function measureRounds(
  contestants: readonly Contestant[],
  { model, levels, rounds, ms }: Plan,
): Promise<Cell[]> {
  for (const each of contestants) await each.measure(Math.max(...levels), ms / 2); // warms up
  const cells = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const connections of levels) {
      for (const each of order) {
        const key = JSON.stringify([each.name, connections]);
        cells.set(key, [...(cells.get(key) ?? []), await each.measure(connections, ms)]);
      }
    }
    process.stderr.write(`${model}: round ${round + 1} of ${rounds}\n`);
  }
  return [...cells].map(([key, measured]) => {
    const [contestant, connections] = JSON.parse(key) as [string, number];
    return { model, contestant, connections, rounds: measured };
  });
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
