/**
 * `npm run bench -- batching`: the same predictor with batches and without, on two models. Token
 * sequences of mixed lengths on the CPU, where a batch wins little and padding may lose; and a
 * stand-in for an accelerator, where a run costs the same whatever is in it.
 * Options: --rounds N (5), --quick (one round).
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import type { Check } from "./checks.ts";
import { served, startOurs } from "./contestants.ts";
import { machine, printChecks, printRows, rowOf, writeResults } from "./report.ts";
import { between, measureRounds } from "./rounds.ts";
import type { Cell } from "./rounds.ts";
import { startServer } from "./server.ts";
import { iris, mixedTokens } from "./workloads.ts";

const connections = 32;
const acceleratorBatch = 16;

/** Prints tables, and writes docs/results/batching.json. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "5" },
      quick: { type: "boolean", default: false },
    },
  });
  const rounds = values.quick ? 1 : Number(values.rounds);
  const loadBefore = loadavg()[0] ?? 0;
  const tokens = await measureTokens(rounds);
  const accelerator = await measureAccelerator(rounds);
  const rows = [...tokens, ...accelerator].map(rowOf);
  const checks = [...tokenChecks(tokens), ...acceleratorChecks(accelerator)];
  printRows(rows);
  printChecks(checks);
  if (values.quick) return;
  const about = { machine: machine(), loadBefore, loadAfter: loadavg()[0] ?? 0, rounds };
  writeResults("batching", { ...about, checks, rows });
}

async function measureTokens(rounds: number): Promise<Cell[]> {
  const workload = await mixedTokens();
  await using batched = await startOurs(workload);
  await using single = await startOurs(workload, { BATCH_SIZE_MAX: "1" });
  const contestants = [
    served("batched", batched, workload),
    served("one by one", single, workload),
  ];
  const plan = { model: workload.name, levels: [connections], rounds, ms: workload.ms };
  // Awaited here: with the function's end the servers end.
  const cells = await measureRounds(contestants, plan);
  return cells;
}

async function measureAccelerator(rounds: number): Promise<Cell[]> {
  const workload = { ...iris(), name: "m" };
  const options = { path: workload.path, threads: 1, place: "accelerator" };
  const sized = { ...options, batchSizeMax: acceleratorBatch };
  await using batched = await startServer("spike-server.ts", sized);
  await using single = await startServer("spike-server.ts", { ...options, batchSizeMax: 1 });
  const contestants = [
    served("batched", batched, workload),
    served("one by one", single, workload),
  ];
  const plan = { model: "accelerator", levels: [connections], rounds, ms: 2000 };
  const cells = await measureRounds(contestants, plan);
  return cells;
}

function tokenChecks([batched, single]: readonly Cell[]): Check[] {
  if (batched === undefined || single === undefined) return [];
  const rate = between(batched, single, (a, b) => a.perSecond / b.perSecond);
  const late = between(batched, single, (a, b) => a.p50 / b.p50);
  const what = "mixed lengths, 32 connections:";
  return [
    {
      what: `${what} requests/s to those one by one`,
      measured: rate,
      unit: "x",
      target: "at least 1",
      met: rate.median >= 1,
    },
    {
      what: `${what} P50 to that one by one`,
      measured: late,
      unit: "x",
      target: "at most 1.2",
      met: late.median <= 1.2,
    },
  ];
}

function acceleratorChecks([batched, single]: readonly Cell[]): Check[] {
  if (batched === undefined || single === undefined) return [];
  const rate = between(batched, single, (a, b) => a.perSecond / b.perSecond);
  const what = `fixed cost per run, batches of ${acceleratorBatch}: requests/s to those one by one`;
  return [{ what, measured: rate, unit: "x", target: "at least 8", met: rate.median >= 8 }];
}
