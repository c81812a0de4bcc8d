/**
 * `npm run bench -- controller`: the controller's bundle with a thousand InferenceServices on a
 * real API server (no Knative runs: what is measured is the controller). The baseline of the same
 * run is a bare writer: the same writes to the same API server by the same HTTP client, with
 * nothing decided; for memory, a Node that does nothing.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { programOf } from "../../bundle/programs.ts";
import type { Check } from "../predictor/checks.ts";
import { machine, printChecks, writeResults } from "../predictor/report.ts";
import { shown, summarize, type Summary } from "../predictor/stats.ts";
import { withApiserver } from "./apiserver.ts";
import { build } from "./process.ts";
import { FIGURES, measureRound, type Figure, type Plan, type Round } from "./round.ts";

/**
 * Options: --count N (1000), --rounds N (3), --edits N (300, one by one), --quick (one round of
 * 100 with short rests; writes nothing).
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      count: { type: "string" },
      rounds: { type: "string" },
      edits: { type: "string" },
      quick: { type: "boolean", default: false },
    },
  });
  const { quick } = values;
  const count = Number(values.count ?? (quick ? 100 : 1000));
  const plan: Plan = {
    count,
    edits: Math.min(count, Number(values.edits ?? 300)),
    restMs: quick ? 5000 : 60_000,
    quietMs: quick ? 3000 : 10_000,
  };
  const loadBefore = loadavg()[0] ?? 0;
  await build();
  const rounds: Round[] = [];
  for (let round = 0; round < Number(values.rounds ?? (quick ? 1 : 3)); round += 1) {
    rounds.push(await withApiserver((apiserver) => measureRound(apiserver, plan)));
  }
  const rows = FIGURES.map((figure) => rowOf(figure, rounds));
  const checks = rows.flatMap((row) => checkOf(row) ?? []);
  printRows(rows, plan);
  printChecks(checks);
  if (quick) return;
  writeResults("controller", {
    machine: machine(),
    loadBefore,
    loadAfter: loadavg()[0] ?? 0,
    node: programOf("controller.cjs").nodeFlags,
    environment: programOf("controller.cjs").environment,
    ...plan,
    rounds: rounds.length,
    checks,
    rows,
  });
}

interface Row {
  readonly figure: Figure;
  readonly controller: Summary;
  /** The bare writer's, or of rssMib an idle Node's. */
  readonly baseline?: Summary;
}

function rowOf(figure: Figure, rounds: readonly Round[]): Row {
  const controller = summarize(rounds.map((round) => round.controller[figure]));
  const others = rounds.flatMap(({ baseline }) => baseline[figure] ?? []);
  return { figure, controller, ...(others.length === 0 ? {} : { baseline: summarize(others) }) };
}

type Limit = { readonly what: string; readonly unit: string } & (
  | { readonly least: number }
  | { readonly most: number }
);

const PROMISES: Readonly<Partial<Record<Figure, Limit>>> = {
  settledPerSecond: { what: "services settled, from the process's start", unit: "/s", least: 100 },
  writesPerService: { what: "writes for each service", unit: "", most: 2 },
  writesAtRest: { what: "writes at rest", unit: "", most: 0 },
  writesAfterRestart: { what: "writes after a restart", unit: "", most: 0 },
  writesAfterForeignAnnotations: {
    what: "writes after a foreign annotation on each",
    unit: "",
    most: 0,
  },
  editToAppliedP99Ms: { what: "edit to applied, P99", unit: "ms", most: 100 },
  rssPeakMib: { what: "memory, the most that it ever was", unit: "MiB", most: 120 },
};

function checkOf({ figure, controller }: Row): Check | undefined {
  const limit = PROMISES[figure];
  if (limit === undefined) return undefined;
  const { what, unit } = limit;
  const about = { what, measured: controller, unit };
  return "least" in limit
    ? { ...about, target: `at least ${limit.least}`, met: controller.median >= limit.least }
    : { ...about, target: `at most ${limit.most}`, met: controller.median <= limit.most };
}

function printRows(rows: readonly Row[], { count }: Plan): void {
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write(
    `\n${count} InferenceServices; medians (lowest–highest). Baseline: the bare writer, and for`,
  );
  write("rssMib a Node that does nothing.\n");
  write("| figure | controller | baseline |");
  write("|---|---|---|");
  for (const { figure, controller, baseline } of rows) {
    write(`| ${figure} | ${shown(controller)} | ${baseline ? shown(baseline) : ""} |`);
  }
}
