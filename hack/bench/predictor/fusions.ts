/**
 * `npm run bench -- fusions`: what leaving a transformer's norms unfused is worth on the CPU
 * (docs/decisions/0019): the same model with onnxruntime's own choice of fusions and with ours, by
 * the rows and tokens of a run. Options: --rounds N (5), each with new sessions.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { createOptions } from "../../../predictor/executor/session-options.ts";
import { usableCpus } from "../../../predictor/ops/cpus.ts";
import { cachedDistilbert } from "../../models/distilbert.ts";
import { ensureMiniLm } from "../../models/minilm.ts";
import { machine } from "./report.ts";
import { percentile, shown, summarize } from "./stats.ts";

const shapes = [
  [1, 8],
  [1, 32],
  [1, 128],
  [8, 32],
  [8, 128],
] as const;
type Shape = (typeof shapes)[number];

/** How long a shape is measured in a round, both sessions together. */
const shapeMs = 2000;

/** Prints a table. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { rounds: { type: "string", default: "5" } } });
  const models = {
    "DistilBERT's shape": await cachedDistilbert(),
    "all-MiniLM-L6-v2": join(await ensureMiniLm(), "onnx", "model.onnx"),
  };
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write(`Medians of ${values.rounds} rounds (lowest–highest); ${machine()}.\n`);
  write("| model | rows x tokens | as onnxruntime has it, ms | ours, ms | ours to that |");
  write("|---|---|---|---|---|");
  for (const [name, path] of Object.entries(models)) {
    const rounds: Compared[][] = [];
    for (let round = 0; round < Number(values.rounds); round++) rounds.push(await compare(path));
    for (const [index, [rows, tokens]] of shapes.entries()) {
      const figures = rounds.flatMap((round) => round[index] ?? []);
      const columns = [
        figures.map(({ theirs }) => theirs),
        figures.map(({ ours }) => ours),
        figures.map(({ theirs, ours }) => ours / theirs),
      ].map((each) => shown(summarize(each)));
      write(`| ${[name, `${rows} x ${tokens}`, ...columns].join(" | ")} |`);
    }
  }
}

/** Medians of the runs of a round, in milliseconds. */
type Compared = { readonly theirs: number; readonly ours: number };

async function compare(path: string): Promise<Compared[]> {
  const threads = usableCpus();
  const own = createOptions({ path, threads, spinning: threads > 1, optimization: "all" });
  const { optimization: _, ...extra } = own.extra ?? {};
  const theirs = await InferenceSession.create(path, { ...own, extra });
  const ours = await InferenceSession.create(path, own);
  const compared: Compared[] = [];
  for (const shape of shapes) {
    const feeds = feedsOf(theirs.inputNames, shape);
    const times = { theirs: [] as number[], ours: [] as number[] };
    for (let end = performance.now() + shapeMs; performance.now() < end;) {
      times.theirs.push(await timeOf(theirs, feeds));
      times.ours.push(await timeOf(ours, feeds));
    }
    const median = (each: readonly number[]): number =>
      percentile(Float64Array.from(each).sort(), 50);
    compared.push({ theirs: median(times.theirs), ours: median(times.ours) });
  }
  await Promise.all([theirs.release(), ours.release()]);
  return compared;
}

async function timeOf(session: InferenceSession, feeds: Feeds): Promise<number> {
  const started = performance.now();
  await session.run(feeds);
  return performance.now() - started;
}

type Feeds = Record<string, Tensor>;

/** Token ids, a mask of ones, and types of zeros where a model asks for them. */
function feedsOf(names: readonly string[], [rows, tokens]: Shape): Feeds {
  const valueOf = (name: string, index: number): bigint => {
    if (name === "attention_mask") return 1n;
    return name === "token_type_ids" ? 0n : 1000n + BigInt((index * 7919) % 28_000);
  };
  const tensors = names.map((name): [string, Tensor] => {
    const data = BigInt64Array.from({ length: rows * tokens }, (_, index) => valueOf(name, index));
    return [name, new Tensor("int64", data, [rows, tokens])];
  });
  return Object.fromEntries(tensors);
}
