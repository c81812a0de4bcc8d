/**
 * Where should the onnxruntime session live? `npm run bench -- executor-spike`; the answer and the
 * figures are in docs/decisions/0001-sessions-in-child-processes.md.
 */
import { parseArgs } from "node:util";
import { usableCpus } from "../../../predictor/ops/cpus.ts";
import { applyLoad, probeHealth } from "./load.ts";
import { measuredOf } from "./samples.ts";
import type { Measured } from "./samples.ts";
import { startServer } from "./server.ts";
import { shown, summarize } from "./stats.ts";
import { workloadNamed } from "./workloads.ts";
import type { Workload } from "./workloads.ts";

const variants = [
  { name: "thread", place: "thread", batchSizeMax: 1 },
  { name: "thread, batched", place: "thread", batchSizeMax: 32 },
  { name: "worker", place: "worker", batchSizeMax: 1 },
  { name: "worker, batched", place: "worker", batchSizeMax: 32 },
  { name: "child", place: "child", batchSizeMax: 1 },
  { name: "child, batched", place: "child", batchSizeMax: 32 },
] as const;

const levels = [1, 8, 32];

/** Prints a table per model: medians of interleaved rounds and their spread. */
export async function main(args: string[]): Promise<void> {
  const options = { rounds: { type: "string", default: "3" }, model: { type: "string" } } as const;
  const { values } = parseArgs({ args, options });
  for (const name of values.model === undefined ? ["iris", "distilbert"] : [values.model]) {
    const workload = await workloadNamed(name);
    const cells = await measureRounds(workload, Number(values.rounds));
    print(workload, cells);
  }
}

type Cells = Map<string, Measured[]>;

async function measureRounds(workload: Workload, rounds: number): Promise<Cells> {
  const cells: Cells = new Map();
  // Round by round over all variants, so that a noisy minute hits them alike.
  for (let round = 0; round < rounds; round++) {
    for (const { name, place, batchSizeMax } of variants) {
      const options = { path: workload.path, threads: usableCpus(), place, batchSizeMax };
      await using server = await startServer("spike-server.ts", options);
      const target = { port: server.port, path: "/v2/models/m/infer", bodies: workload.bodies };
      await applyLoad(server, { ...target, connections: 4, ms: workload.ms / 2 });
      for (const connections of levels) {
        const load = { ...target, connections, ms: workload.ms };
        const [sample, health] = await Promise.all([
          applyLoad(server, load),
          probeHealth(server, load.ms),
        ]);
        const failures = sample.failures + health.failures;
        const key = `${name}|${connections}`;
        cells.set(key, [
          ...(cells.get(key) ?? []),
          measuredOf([{ ...sample, ...health, failures }]),
        ]);
      }
    }
  }
  return cells;
}

function print({ name: model, ms }: Workload, cells: Cells): void {
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write(`\n### ${model}, ${ms / 1000} s a cell: median (lowest–highest round)\n`);
  write("| session in | connections | requests/s | P50 ms | P99 ms | CPU µs | worst health ms |");
  write("|---|---|---|---|---|---|---|");
  for (const [key, rounds] of cells) {
    const [variant, connections] = key.split("|");
    const of = (pick: (each: Measured) => number): string => shown(summarize(rounds.map(pick)));
    const columns = [
      of((x) => x.perSecond),
      of((x) => x.p50),
      of((x) => x.p99),
      of((x) => x.cpuUs),
    ];
    const health = of((x) => x.probeMaxMs ?? Number.NaN);
    write(`| ${variant} | ${connections} | ${columns.join(" | ")} | ${health} |`);
    const failures = rounds.reduce((sum, each) => sum + each.failures, 0);
    if (failures > 0) write(`  !! ${failures} requests failed`);
  }
}
