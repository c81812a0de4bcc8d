/**
 * `npm run bench -- predictor`: ours beside a naive server, other servers and raw onnxruntime, in
 * the same run. Options: --rounds N (5), --quick (one round), --model NAME (one of iris,
 * distilbert, resnet, squeezenet), --no-peers (without the Python servers), --set NAME=VALUE (in
 * the environment of ours, to try a setting). Only a whole run writes docs/results/predictor.json.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { PEERS } from "../../peers/peer.ts";
import { checksOf, footprintChecks } from "./checks.ts";
import { naive, ours, peer, raw } from "./contestants.ts";
import type { Contestant } from "./contestants.ts";
import { footprint } from "./footprint.ts";
import { applyLoad } from "./load.ts";
import { machine, printChecks, printRows, rowOf, writeResults } from "./report.ts";
import { measureRounds, measureStarts } from "./rounds.ts";
import type { Cell, Field } from "./rounds.ts";
import { measuredOf } from "./samples.ts";
import { startServer } from "./server.ts";
import { short } from "./stats.ts";
import { workloadNamed } from "./workloads.ts";
import type { Workload } from "./workloads.ts";

/** About as long as a turn takes: long enough for a batch of eight to count little at its end. */
const turnMs = 3000;

const models = ["iris", "distilbert", "resnet", "squeezenet"];

/** Prints tables, and writes docs/results/predictor.json. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "5" },
      quick: { type: "boolean", default: false },
      model: { type: "string" },
      "no-peers": { type: "boolean", default: false },
      set: { type: "string", multiple: true, default: [] },
    },
  });
  const rounds = values.quick ? 1 : Number(values.rounds);
  const loadBefore = loadavg()[0] ?? 0;
  const ceiling = await generatorCeiling();
  const memory = await footprint();
  const environment = Object.fromEntries(
    values.set.map((each): [string, string] => {
      const [name = "", ...value] = each.split("=");
      return [name, value.join("=")];
    }),
  );
  const cells: Cell[] = [];
  for (const name of values.model === undefined ? models : [values.model]) {
    const options = { rounds, withPeers: !values["no-peers"], environment };
    cells.push(...(await measure(await workloadNamed(name), options)));
  }
  const rows = cells.map(rowOf);
  const checks = [...checksOf(cells), ...footprintChecks(memory)];
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write(`The load generator alone reaches ${short(ceiling)} requests/s at 32 connections.`);
  write(`Load average when it began: ${short(loadBefore)}; ${machine()}.`);
  write(
    `At rest with iris: ${short(memory.restPssMb)} MB (PSS), ${short(memory.restRssMb)} MB (RSS).`,
  );
  if (memory.imageMb !== undefined) write(`Image, unpacked: ${short(memory.imageMb)} MB.`);
  printRows(rows);
  printChecks(checks);
  // A part of the results must not replace the whole.
  const isPart = values["no-peers"] || values.model !== undefined || values.set.length > 0;
  if (values.quick || isPart) return;
  const about = { machine: machine(), loadBefore, loadAfter: loadavg()[0] ?? 0, rounds };
  writeResults("predictor", { ...about, ceiling, memory, checks, rows });
}

/** What the load generator reaches against a server that does nothing. */
async function generatorCeiling(): Promise<number> {
  await using server = await startServer("bare-server.ts", {});
  const load = { port: server.port, path: "/", bodies: [Buffer.from("{}")], connections: 32 };
  await applyLoad(server, { ...load, ms: 500 });
  return measuredOf([await applyLoad(server, { ...load, ms: 2000 })]).perSecond;
}

type Options = {
  readonly rounds: number;
  readonly withPeers: boolean;
  readonly environment: Readonly<Record<string, string>>;
};

async function measure(workload: Workload, { rounds, ...options }: Options): Promise<Cell[]> {
  const { name: model, ms } = workload;
  const levels = model === "iris" ? [1, 32] : [1, 8];
  const turns = Math.max(1, Math.round(ms / turnMs));
  const plan = { model, levels, rounds, ms, turns };
  const start = async (): Promise<Field> => fieldOf(workload, options);
  if (workload.quickBodies !== undefined) return measureStarts(start, plan);
  await using field = await start();
  // Awaited here: with the function's end the servers end.
  const cells = await measureRounds(field.contestants, plan);
  return cells;
}

/** Starts all that are measured with a model. */
async function fieldOf(
  workload: Workload,
  { withPeers, environment }: Omit<Options, "rounds">,
): Promise<Field> {
  const { name: model } = workload;
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  const enter = async (started: Promise<Contestant>): Promise<void> => {
    contestants.push(stack.use(await started));
  };
  await enter(ours(workload, environment));
  // The naive server takes JSON alone.
  if (model === "iris" || model === "distilbert") await enter(naive(workload));
  if (model !== "iris") await enter(raw(workload));
  else if (withPeers) for (const name of PEERS) await enter(peer(name, workload));
  const running = stack.move();
  return { contestants, [Symbol.asyncDispose]: async () => running.disposeAsync() };
}
