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
/** Between two looks at how many there were. */
const warmUpMs = 3000;

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

/** Contestants that all stand ready, until they are disposed of. */
export type Field = AsyncDisposable & { readonly contestants: readonly Contestant[] };

/** Measures every contestant at every level in every round, in alternating order. */
export async function measureRounds(
  contestants: readonly Contestant[],
  plan: Plan,
): Promise<Cell[]> {
  await warmUp(contestants, plan);
  const measured: Measurement[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    measured.push(...(await measureRound(contestants, plan, round)));
  }
  return cellsOf(plan.model, measured);
}

/**
 * The same with contestants that are started anew for each round. Where the memory of a process
 * lies is decided at its start and stays: runs of a model of 254 MB differ by two percent from
 * start to start, and rounds of one start all have its luck.
 */
export async function measureStarts(start: () => Promise<Field>, plan: Plan): Promise<Cell[]> {
  const measured: Measurement[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    await using field = await start();
    await warmUp(field.contestants, plan);
    measured.push(...(await measureRound(field.contestants, plan, round)));
  }
  return cellsOf(plan.model, measured);
}

type Measurement = Omit<Cell, "model" | "rounds"> & { readonly measured: Measured };

/**
 * With several turns in a round, a cell's figures are those of its turns together: what the host
 * does for ten seconds then hits all.
 */
async function measureRound(
  contestants: readonly Contestant[],
  { model, levels, rounds, ms, turns = 1 }: Plan,
  round: number,
): Promise<Measurement[]> {
  const measured: Measurement[] = [];
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
      const own = measuredOf(samples[index] ?? []);
      measured.push({ contestant: name, connections, measured: own });
    }
  }
  process.stderr.write(`${model}: round ${round + 1} of ${rounds}\n`);
  return measured;
}

/** Measurements of a contestant with as many connections, by round. */
function cellsOf(model: string, measured: readonly Measurement[]): Cell[] {
  const keyOf = ({ contestant, connections }: Measurement): string =>
    `${connections} ${contestant}`;
  return [...Map.groupBy(measured, keyOf).values()].flatMap((all) => {
    const [first] = all;
    if (first === undefined) return [];
    const { contestant, connections } = first;
    return [{ model, contestant, connections, rounds: all.map((each) => each.measured) }];
  });
}

async function warmUp(contestants: readonly Contestant[], { levels, ms }: Plan): Promise<void> {
  for (const each of contestants) {
    for (let answers = 0; answers < warmUpAnswers;) {
      const more = await each.answer(warmUpMs);
      if (more === 0) throw new Error(`${each.name} answers nothing`);
      answers += more;
    }
    await each.measure(Math.max(...levels), ms / 2);
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
