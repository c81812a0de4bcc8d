/** Tables for people and a file for the record. */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Check } from "./checks.ts";
import { over } from "./rounds.ts";
import type { Cell } from "./rounds.ts";
import { shown } from "./stats.ts";
import type { Summary } from "./stats.ts";

export type Row = {
  readonly model: string;
  readonly contestant: string;
  readonly connections: number;
  readonly perSecond: Summary;
  readonly p50Ms: Summary;
  readonly p95Ms: Summary;
  readonly p99Ms: Summary;
  /** CPU time of the server's processes per request. */
  readonly cpuUs: Summary;
  readonly healthP99Ms?: Summary;
  readonly failures: number;
};

/** A cell's figures. */
export function rowOf(cell: Cell): Row {
  const { model, contestant, connections, rounds } = cell;
  const row = {
    model,
    contestant,
    connections,
    perSecond: over(cell, (each) => each.perSecond),
    p50Ms: over(cell, (each) => each.p50),
    p95Ms: over(cell, (each) => each.p95),
    p99Ms: over(cell, (each) => each.p99),
    cpuUs: over(cell, (each) => each.cpuUs ?? Number.NaN),
    failures: rounds.reduce((sum, each) => sum + each.failures, 0),
  };
  if (rounds[0]?.probeP99 === undefined) return row;
  return { ...row, healthP99Ms: over(cell, (each) => each.probeP99 ?? Number.NaN) };
}

/** The machine, in words. */
export function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
}

/** Prints the figures of all cells. */
export function printRows(rows: readonly Row[]): void {
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write("\nMedians of rounds that alternate between the servers (lowest–highest).\n");
  write("| model | server | connections | requests/s | P50 ms | P95 ms | P99 ms | CPU µs |");
  write("|---|---|---|---|---|---|---|---|");
  for (const row of rows) {
    const columns = [row.perSecond, row.p50Ms, row.p95Ms, row.p99Ms, row.cpuUs].map(shown);
    const head = [row.model, row.contestant, row.connections];
    write(`| ${[...head, ...columns].join(" | ")} |`);
    if (row.failures > 0) write(`  !! ${row.failures} requests failed`);
  }
}

/** Prints what was promised, and whether the medians keep it. */
export function printChecks(checks: readonly Check[]): void {
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write("\n| promise | measured | target | kept |");
  write("|---|---|---|---|");
  for (const { what, measured, unit, target, met } of checks) {
    write(`| ${what} | ${shown(measured)} ${unit} | ${target} | ${met ? "yes" : "NO"} |`);
  }
}

/** Writes docs/results/NAME.json. */
export function writeResults(name: string, results: object): void {
  const file = new URL(`../../../docs/results/${name}.json`, import.meta.url);
  mkdirSync(new URL(".", file), { recursive: true });
  // Four digits: what lies behind them is noise.
  const shorter = (_: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  writeFileSync(file, `${JSON.stringify(results, shorter, 2)}\n`);
  process.stdout.write(`\nwritten: docs/results/${name}.json\n`);
}
