/**
 * `npm run bench -- zipf`: a hundred models behind one process tree with less memory than they need,
 * asked for in a Zipf order. Prints and keeps what the clients saw and what the memory was.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { arch, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TestPredictor } from "../../../predictor/testing/test-predictor.ts";
import { weightyModel } from "../../models/weighty.ts";
import { percentile, short } from "../predictor/stats.ts";
import { treeBytes } from "./memory.ts";
import { zipfOrder } from "./order.ts";

const mebibyte = 1024 * 1024;
const resultFile = join(import.meta.dirname, "../../../docs/results/zipf.json");
/** Of the whole budget, for the process that speaks HTTP. */
const frontBytes = 200 * mebibyte;
const clients = 8;

type Settings = { models: number; megabytes: number; requests: number; budgetMib: number };

/** Options: --models 100 --megabytes 20 --requests 10000 --budget-mib 1024. */
export async function main(args: string[]): Promise<void> {
  const option = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const { values } = parseArgs({
    args,
    options: {
      models: option("100"),
      megabytes: option("20"),
      requests: option("10000"),
      "budget-mib": option("1024"),
    },
  });
  const settings = {
    models: Number(values.models),
    megabytes: Number(values.megabytes),
    requests: Number(values.requests),
    budgetMib: Number(values["budget-mib"]),
  };
  const folder = await mkdtemp(join(tmpdir(), "pilotlight-zipf-"));
  try {
    for (let model = 0; model < settings.models; model++) {
      await mkdir(join(folder, `model-${model}`));
      const content = weightyModel(settings.megabytes * 1e6, model + 1);
      await writeFile(join(folder, `model-${model}`, "model.onnx"), content);
    }
    const result = await measure(folder, settings);
    await writeFile(resultFile, `${JSON.stringify(result, undefined, 2)}\n`);
    process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string, settings: Settings): Promise<object> {
  const { models, megabytes, requests, budgetMib } = settings;
  const executorBudgetMib = budgetMib - frontBytes / mebibyte;
  await using predictor = await TestPredictor.serving({
    STORAGE_URI: folder,
    MODEL_REPOSITORY: "true",
    MODEL_MEMORY_BUDGET: String(executorBudgetMib * mebibyte),
  });
  const order = zipfOrder(models, requests);
  const tree = (): number => treeBytes(predictor.child.pid ?? 0);
  const samples: number[] = [];
  const latencies: number[] = [];
  const errors: string[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    for (let at = next++; at < order.length; at = next++) {
      const model = order[at] ?? 0;
      const started = performance.now();
      const wrong = await ask(predictor, model);
      latencies.push(performance.now() - started);
      if (wrong !== undefined) errors.push(wrong);
      if (at % 50 === 0) samples.push(tree());
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - started) / 1000;
  const quarter = Math.floor(samples.length / 4);
  const inMib = (values: number[]): number => Math.round(Math.max(...values) / mebibyte);
  const metric = async (name: string): Promise<number> => predictor.metric(`pilotlight_${name} `);
  const hits = await predictor.metric('pilotlight_model_lookups_total{result="hit"}');
  const misses = await predictor.metric('pilotlight_model_lookups_total{result="miss"}');
  const loads = await metric("model_load_seconds_count");
  latencies.sort((one, other) => one - other);
  return {
    machine: `${cpus().length} × ${cpus()[0]?.model}, ${arch()}, Node ${process.versions.node}`,
    load: (await readFile("/proc/loadavg", "utf8")).split(" ")[0],
    models,
    megabytesEach: megabytes,
    budgetMib,
    executorBudgetMib,
    requests,
    clients,
    zipfExponent: 1,
    errors: errors.length,
    firstErrors: errors.slice(0, 3),
    hitRatio: Number((hits / (hits + misses)).toFixed(4)),
    loads,
    loadMsMean: Number(short(((await metric("model_load_seconds_sum")) / loads) * 1000)),
    evictions: await metric("model_evictions_total"),
    executorsEnded: await metric("model_executors_ended_total"),
    residentAtEnd: await metric("models_resident"),
    requestsPerSecond: Number((requests / seconds).toFixed(0)),
    latencyMs: { p50: short(percentile(latencies, 50)), p99: short(percentile(latencies, 99)) },
    // The sum of the resident sets: pages that processes share count in each.
    treeMib: {
      peak: inMib(samples),
      peakOfSecondQuarter: inMib(samples.slice(quarter, 2 * quarter)),
      peakOfLastQuarter: inMib(samples.slice(3 * quarter)),
    },
  };
}

/** What was wrong with the answer, if anything. */
async function ask(predictor: TestPredictor, model: number): Promise<string | undefined> {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 1], data: [2] }];
  const { status, json, text } = await predictor.post(`/v2/models/model-${model}/infer`, {
    inputs,
  });
  if (status !== 200) return `${status}: ${text.slice(0, 200)}`;
  const [output] = (json as { outputs: { data: number[] }[] }).outputs;
  const right = output?.data.length === 16 && output.data.every((each) => each === 2 * (model + 1));
  return right ? undefined : `model-${model} answered ${text.slice(0, 100)}`;
}
