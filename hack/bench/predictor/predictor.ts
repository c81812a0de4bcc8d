/** `npm run bench -- predictor`: ours, a naive server and raw onnxruntime, in the same run. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { usableCpus } from "../../../predictor/ops/cpus.ts";
import { applyLoad } from "./load.ts";
import type { Measured } from "./load.ts";
import { startServer } from "./server.ts";
import type { RunningServer } from "./server.ts";
import { short, shown, summarize } from "./stats.ts";
import type { Summary } from "./stats.ts";
import { workloads } from "./workloads.ts";
import type { Workload } from "./workloads.ts";

const levels = [1, 8, 32];
const contestants = ["ours", "naive", "raw"] as const;
type Contestant = (typeof contestants)[number];

type Row = {
  model: string;
  contestant: Contestant;
  connections: number;
  perSecond: Summary;
  p50Ms: Summary;
  p95Ms: Summary;
  p99Ms: Summary;
  cpuUs: Summary;
  failures: number;
};

const results = new URL("../../../docs/results/predictor.json", import.meta.url);

/** Prints a table and writes docs/results/predictor.json. */
export async function main(args: string[]): Promise<void> {
  const options = { rounds: { type: "string", default: "5" }, model: { type: "string" } } as const;
  const { values } = parseArgs({ args, options });
  const loadBefore = loadavg()[0] ?? 0;
  const ceiling = await generatorCeiling();
  const rows: Row[] = [];
  for (const workload of await workloads()) {
    if ((values.model ?? workload.name) !== workload.name) continue;
    rows.push(...(await measureRounds(workload, Number(values.rounds))));
  }
  const otherLoad = { loadBefore, loadAfter: loadavg()[0] ?? 0 };
  print(rows, ceiling, loadBefore);
  if (values.model !== undefined) return; // a part of the results must not replace the whole
  mkdirSync(new URL(".", results), { recursive: true });
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
  const { rounds } = values;
  writeFileSync(
    results,
    `${JSON.stringify({ machine, ...otherLoad, rounds, ceiling, rows }, null, 2)}\n`,
  );
}

/** What the load generator reaches against a server that does nothing. */
async function generatorCeiling(): Promise<number> {
  await using server = await startServer("bare-server.ts", {});
  const load = { port: server.port, path: "/", body: "{}", connections: 32 };
  await applyLoad(server, { ...load, ms: 1000 });
  return (await applyLoad(server, { ...load, ms: 3000 })).perSecond;
}

async function measureRounds(workload: Workload, rounds: number): Promise<Row[]> {
  const cells = new Map<string, Measured[]>();
  // Round by round over all contestants, so that a noisy minute hits them alike.
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      for (const [connections, measured] of await measureAll(workload, contestant)) {
        const key = `${contestant}|${connections}`;
        cells.set(key, [...(cells.get(key) ?? []), measured]);
      }
      process.stderr.write(`${workload.name}: round ${round + 1} of ${rounds}, ${contestant}\n`);
    }
  }
  return [...cells].map(([key, measured]) => {
    const [contestant, connections] = key.split("|");
    const of = (pick: (each: Measured) => number): Summary => summarize(measured.map(pick));
    return {
      model: workload.name,
      contestant: contestant as Contestant,
      connections: Number(connections),
      perSecond: of((each) => each.perSecond),
      p50Ms: of((each) => each.p50),
      p95Ms: of((each) => each.p95),
      p99Ms: of((each) => each.p99),
      cpuUs: of((each) => each.cpuUs ?? Number.NaN),
      failures: measured.reduce((sum, each) => sum + each.failures, 0),
    };
  });
}

async function measureAll(
  workload: Workload,
  contestant: Contestant,
): Promise<[connections: number, measured: Measured][]> {
  if (contestant === "raw") return [[1, rawRun(workload)]];
  await using server =
    contestant === "ours" ? await startOurs(workload) : await startNaive(workload);
  const path = `/v2/models/${workload.name}/infer`;
  const target = { port: server.port, path, body: workload.body };
  await applyLoad(server, { ...target, connections: 4, ms: workload.ms / 2 });
  const measured: [number, Measured][] = [];
  for (const connections of levels) {
    const load = { ...target, connections, ms: workload.ms };
    measured.push([connections, await applyLoad(server, load)]);
  }
  return measured;
}

async function startNaive({ path }: Workload): Promise<RunningServer> {
  return startServer("naive-server.ts", { path, threads: usableCpus() });
}

/** The predictor as a pod runs it. */
async function startOurs({ name, path }: Workload): Promise<RunningServer> {
  const program = fileURLToPath(new URL("../../../predictor/main.ts", import.meta.url));
  const flags = ["--port=0", "--host=127.0.0.1", `--model-name=${name}`, `--storage-uri=${path}`];
  const child = spawn(process.execPath, [program, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] },
  });
  const ended = once(child, "exit");
  for await (const line of createInterface(child.stdout)) {
    const { message, port } = JSON.parse(line) as { message: string; port?: number };
    if (message !== "serving" || port === undefined) continue;
    child.stdout.resume();
    return {
      port,
      pid: child.pid ?? 0,
      [Symbol.asyncDispose]: async () => {
        child.kill("SIGTERM");
        await ended;
      },
    };
  }
  throw new Error("the predictor ended before it served");
}

/** One run after another without any server: the floor that no server gets under. */
function rawRun({ path, body, ms }: Workload): Measured {
  const program = fileURLToPath(new URL("raw-run.ts", import.meta.url));
  const input = JSON.stringify({ path, body, ms, threads: usableCpus() });
  return JSON.parse(
    execFileSync(process.execPath, [program, input], { encoding: "utf8" }),
  ) as Measured;
}

function print(rows: readonly Row[], ceiling: number, loadBefore: number): void {
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write(`The load generator alone reaches ${short(ceiling)} requests/s at 32 connections.`);
  write(`Load average when it began: ${short(loadBefore)} on ${cpus().length} CPUs.`);
  write("Medians of interleaved rounds (lowest–highest).\n");
  write("| model | server | connections | requests/s | P50 ms | P95 ms | P99 ms | CPU µs |");
  write("|---|---|---|---|---|---|---|---|");
  for (const row of rows) {
    const columns = [row.perSecond, row.p50Ms, row.p95Ms, row.p99Ms, row.cpuUs]
      .map(shown)
      .join(" | ");
    write(`| ${row.model} | ${row.contestant} | ${row.connections} | ${columns} |`);
    if (row.failures > 0) write(`  !! ${row.failures} requests failed`);
  }
}
