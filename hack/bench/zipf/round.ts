/** One round: a predictor of its own, asked for many models in a Zipf order by a few clients. */
import { TestPredictor } from "../../../predictor/testing/test-predictor.ts";
import { percentile } from "../predictor/stats.ts";
import { treeBytes } from "./memory.ts";
import { lruHits, zipfOrder } from "./order.ts";

const mebibyte = 1024 * 1024;
/** Of the whole budget, for the process that speaks HTTP. */
export const frontMib = 200;
export const clients = 8;
/** Of the process tree, in a round. */
const samplesWanted = 200;

export type Settings = {
  readonly models: number;
  readonly megabytes: number;
  readonly requests: number;
  readonly budgetMib: number;
};

/** Numbers alone: what the clients saw, what became of the models, what the memory was. */
export type Round = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Failed, or answered wrongly; the first few in words. */
  readonly errors: number;
  readonly firstErrors: readonly string[];
  /** Of the looks at a model, those that found it in memory. */
  readonly hitRatio: number;
  /** The same order, one request after the other, with as many models in memory as at the end. */
  readonly lruHitRatio: number;
  readonly loads: number;
  readonly loadMs: number;
  readonly evictions: number;
  readonly executorsEnded: number;
  readonly residentAtEnd: number;
  /** The sum of the resident sets: pages that processes share count in each. */
  readonly peakMib: number;
  readonly secondQuarterMib: number;
  readonly lastQuarterMib: number;
};

/** Starts a predictor for the models in the folder and measures it; `seed` makes the order. */
export async function measureRound(
  folder: string,
  { models, requests, budgetMib }: Settings,
  seed: number,
): Promise<Round> {
  await using predictor = await TestPredictor.serving({
    STORAGE_URI: folder,
    MODEL_REPOSITORY: "true",
    MODEL_MEMORY_BUDGET: String((budgetMib - frontMib) * mebibyte),
  });
  const order = zipfOrder(models, requests, seed);
  const seen = await ask(predictor, order);
  const metric = async (name: string): Promise<number> => predictor.metric(`pilotlight_${name}`);
  const hits = await metric('model_lookups_total{result="hit"}');
  const misses = await metric('model_lookups_total{result="miss"}');
  const loads = await metric("model_load_seconds_count ");
  const residentAtEnd = await metric("models_resident ");
  const { latencies, errors, samples, seconds } = seen;
  const quarter = Math.floor(samples.length / 4);
  return {
    perSecond: requests / seconds,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    errors: errors.length,
    firstErrors: errors.slice(0, 3),
    hitRatio: hits / (hits + misses),
    lruHitRatio: lruHits(order, residentAtEnd) / requests,
    loads,
    loadMs: ((await metric("model_load_seconds_sum ")) / loads) * 1000,
    evictions: await metric("model_evictions_total "),
    executorsEnded: await metric("model_executors_ended_total "),
    residentAtEnd,
    peakMib: Math.max(...samples),
    secondQuarterMib: Math.max(...samples.slice(quarter, 2 * quarter)),
    lastQuarterMib: Math.max(...samples.slice(-quarter)),
  };
}

type Seen = {
  /** Ascending. */
  readonly latencies: readonly number[];
  readonly errors: readonly string[];
  /** Of the process tree, in MiB, in order. */
  readonly samples: readonly number[];
  readonly seconds: number;
};

async function ask(predictor: TestPredictor, order: readonly number[]): Promise<Seen> {
  const latencies: number[] = [];
  const errors: string[] = [];
  const samples: number[] = [];
  const every = Math.max(1, Math.floor(order.length / samplesWanted));
  let next = 0;
  const client = async (): Promise<void> => {
    for (let at = next++; at < order.length; at = next++) {
      const started = performance.now();
      const wrong = await askOnce(predictor, order[at] ?? 0);
      latencies.push(performance.now() - started);
      if (wrong !== undefined) errors.push(wrong);
      if (at % every === 0) samples.push(treeBytes(predictor.child.pid ?? 0) / mebibyte);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((one, other) => one - other);
  return { latencies, errors, samples, seconds };
}

/** What was wrong with the answer, if anything. */
async function askOnce(predictor: TestPredictor, model: number): Promise<string | undefined> {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 1], data: [2] }];
  const path = `/v2/models/model-${model}/infer`;
  try {
    const { status, json, text } = await predictor.post(path, { inputs });
    if (status !== 200) return `${status}: ${text.slice(0, 200)}`;
    const [output] = (json as { outputs: { data: number[] }[] }).outputs;
    const wanted = 2 * (model + 1);
    const right = output?.data.length === 16 && output.data.every((each) => each === wanted);
    return right ? undefined : `model-${model} answered ${text.slice(0, 100)}`;
  } catch (error) {
    return `model-${model}: ${String(error)}`;
  }
}
