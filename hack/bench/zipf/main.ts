/**
 * `npm run bench -- zipf`: a hundred models behind one process tree with less memory than they need,
 * asked for in a Zipf order, in rounds with a predictor each. Options: --rounds 3, --models 100,
 * --megabytes 20, --requests 10000, --budget-mib 1024, --quick (one short round). Ends with 1 when
 * a promise is broken; only a run without options writes docs/results/zipf.json.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { weightyModel } from "../../models/weighty.ts";
import { machine, printChecks, writeResults } from "../predictor/report.ts";
import { shown, summarize } from "../predictor/stats.ts";
import type { Summary } from "../predictor/stats.ts";
import { checksOf } from "./checks.ts";
import { clients, frontMib, measureRound } from "./round.ts";
import type { Round, Settings } from "./round.ts";

const firstSeed = 42;
const whole = { rounds: 3, models: 100, megabytes: 20, requests: 10_000, budgetMib: 1024 };
const quick = { rounds: 1, models: 20, megabytes: 20, requests: 300, budgetMib: 512 };

/** Prints what was measured and promised; sets the exit code. */
export async function main(args: string[]): Promise<void> {
  const { rounds: count, ...settings } = settingsOf(args);
  const loadBefore = loadavg()[0] ?? 0;
  const rounds: Round[] = [];
  const folder = await mkdtemp(join(tmpdir(), "pilotlight-zipf-"));
  try {
    await makeModels(folder, settings);
    for (let round = 0; round < count; round++) {
      rounds.push(await measureRound(folder, settings, firstSeed + round));
      process.stderr.write(`zipf: round ${round + 1} of ${count}\n`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const figures = figuresOf(rounds);
  const checks = checksOf(rounds, settings.budgetMib);
  print(figures, { ...settings, loadBefore });
  for (const error of rounds.flatMap(({ firstErrors }) => firstErrors)) {
    process.stdout.write(`  !! ${error}\n`);
  }
  printChecks(checks);
  if (checks.some(({ met }) => !met)) process.exitCode = 1;
  if (args.length > 0) return;
  const about = { machine: machine(), loadBefore, loadAfter: loadavg()[0] ?? 0, rounds: count };
  const given = { ...settings, executorBudgetMib: settings.budgetMib - frontMib, clients };
  writeResults("zipf", { ...about, ...given, zipfExponent: 1, checks, figures, measured: rounds });
}

/** Throws RangeError for a number that is none. */
function settingsOf(args: string[]): Settings & { readonly rounds: number } {
  const option = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      rounds: option,
      models: option,
      megabytes: option,
      requests: option,
      "budget-mib": option,
    },
  });
  const number = (name: "rounds" | "models" | "megabytes" | "requests" | "budget-mib"): number => {
    const key = name === "budget-mib" ? "budgetMib" : name;
    const given = values[name];
    const value = given === undefined ? (values.quick ? quick : whole)[key] : Number(given);
    if (Number.isInteger(value) && value > 0) return value;
    throw new RangeError(`--${name} must be a whole number above 0, not "${given}"`);
  };
  return {
    rounds: number("rounds"),
    models: number("models"),
    megabytes: number("megabytes"),
    requests: number("requests"),
    budgetMib: number("budget-mib"),
  };
}

async function makeModels(folder: string, { models, megabytes }: Settings): Promise<void> {
  for (let model = 0; model < models; model++) {
    const inside = join(folder, `model-${model}`);
    await mkdir(inside);
    await writeFile(join(inside, "model.onnx"), weightyModel(megabytes * 1e6, model + 1));
  }
}

type Figure = Exclude<keyof Round, "firstErrors">;

/** What is printed of a round, and in which words. */
const words: readonly (readonly [Figure, string])[] = [
  ["perSecond", "requests/s"],
  ["p50Ms", "P50 ms"],
  ["p99Ms", "P99 ms"],
  ["hitRatio", "hit ratio"],
  ["lruHitRatio", "hit ratio of a plain LRU of as many models"],
  ["loads", "loads"],
  ["loadMs", "ms of a load, mean"],
  ["evictions", "evictions"],
  ["executorsEnded", "processes replaced"],
  ["residentAtEnd", "models in memory at the end"],
  ["peakMib", "memory of all processes, peak MiB"],
];

function figuresOf(rounds: readonly Round[]): Record<string, Summary> {
  const figures = words.map(([name]) => [name, summarize(rounds.map((round) => round[name]))]);
  return Object.fromEntries(figures) as Record<string, Summary>;
}

function print(
  figures: Record<string, Summary>,
  about: Settings & { readonly loadBefore: number },
): void {
  const { models, megabytes, requests, budgetMib, loadBefore } = about;
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write(
    `${models} models of ${megabytes} MB, ${requests} requests a round in a Zipf order, ` +
      `${clients} clients, ${budgetMib} MiB. ${machine()}; load average ${loadBefore.toFixed(1)}.`,
  );
  write("\n| medians of the rounds | (lowest–highest) |");
  write("|---|---|");
  for (const [name, what] of words) {
    const figure = figures[name];
    if (figure !== undefined) write(`| ${what} | ${shown(figure)} |`);
  }
}
