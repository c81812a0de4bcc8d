/** How to generate: the request's parameters over generation_config.json over transformers' defaults. */
import { invalid } from "../../errors.ts";
import { isObject } from "../../protocol/json.ts";
import type { JsonObject } from "../../protocol/json.ts";
import { Parameters } from "../parameters.ts";
import type { TaskFolder } from "../task.ts";
import type { Constraints } from "./constraints.ts";
import type { EndOfSearch } from "./hypotheses.ts";
import type { Sampling } from "./sampling.ts";

export type GenerationOptions = Sampling &
  Constraints &
  EndOfSearch & {
    /** Texts that end the generation; what comes before is the answer. */
    readonly stop: readonly string[];
    readonly seed: number | undefined;
    readonly fullText: boolean;
    readonly truncation: boolean;
  };

/** What nobody limited: enough for a paragraph, and not for ever. */
const newTokensDefault = 256;
const newTokensLimit = 100_000;
const stopsMax = 16;
/** Each beam has its own cache and its own row in every run. */
const beamsMax = 64;

/**
 * generation_config.json, or config.json of models from before it, with what config.json says about
 * the task itself (`task_specific_params`).
 */
export function generationDefaults({ config, generation }: TaskFolder, task: string): JsonObject {
  const perTask = config["task_specific_params"];
  const own = isObject(perTask) && isObject(perTask[task]) ? perTask[task] : {};
  return { ...config, ...generation, ...own };
}

/** `promptTokens` count towards max_length: a prompt that the answer continues, a start token. */
export function parseGeneration(
  given: JsonObject,
  defaults: JsonObject,
  promptTokens: number,
): GenerationOptions {
  const parameters = new Parameters(given);
  const fallback = (name: string, otherwise: number): number => {
    const value = defaults[name];
    return typeof value === "number" ? value : otherwise;
  };
  const count = { min: 0, max: newTokensLimit };
  const length = parameters.whole("max_length", fallback("max_length", -1), {
    min: -1,
    max: newTokensLimit,
  });
  const configured = fallback("max_new_tokens", -1);
  const byLength = length > 0 ? Math.max(1, length - promptTokens) : newTokensDefault;
  const ends = new Set(numbersOf(defaults["eos_token_id"]));
  const options: GenerationOptions = {
    newTokensMax: newTokensOf(parameters, configured > 0 ? configured : byLength),
    newTokensMin: Math.max(
      parameters.whole("min_new_tokens", fallback("min_new_tokens", 0), count),
      parameters.whole("min_length", fallback("min_length", 0), count) - promptTokens,
    ),
    ...warmth(parameters, defaults["do_sample"] === true, fallback("temperature", 1)),
    topK: parameters.whole("top_k", fallback("top_k", 50), count),
    topP: parameters.number("top_p", fallback("top_p", 1), { min: 1e-6, max: 1 }),
    repetitionPenalty: parameters.number("repetition_penalty", fallback("repetition_penalty", 1), {
      min: 1e-3,
      max: 1000,
    }),
    noRepeatNgramSize: parameters.whole(
      "no_repeat_ngram_size",
      fallback("no_repeat_ngram_size", 0),
      count,
    ),
    ends,
    banned: bannedWords(defaults, ends),
    forcedFirst: numbersOf(defaults["forced_bos_token_id"])[0],
    forcedLast: numbersOf(defaults["forced_eos_token_id"])[0],
    beams: parameters.whole("num_beams", Math.min(fallback("num_beams", 1), beamsMax), {
      min: 1,
      max: beamsMax,
    }),
    lengthPenalty: parameters.number("length_penalty", fallback("length_penalty", 1), {
      min: -100,
      max: 100,
    }),
    earlyStopping: earlyStoppingOf(parameters, defaults),
    stop: parameters.texts("stop", stopsMax),
    seed: seedOf(parameters),
    fullText: parameters.boolean("return_full_text", true),
    truncation: parameters.boolean("truncation", false),
  };
  parameters.refuseOthers();
  if (options.stop.includes("")) throw invalid("parameter stop holds an empty text");
  return options;
}

/** transformers' name, or that of Triton's clients. */
function newTokensOf(parameters: Parameters, fallback: number): number {
  const range = { min: 1, max: newTokensLimit };
  const triton = parameters.whole("max_tokens", fallback, range);
  return parameters.whole("max_new_tokens", triton, range);
}

/** A temperature of 0 is how others say that nothing is drawn. */
function warmth(
  parameters: Parameters,
  sampled: boolean,
  fallback: number,
): Pick<Sampling, "doSample" | "temperature"> {
  const doSample = parameters.boolean("do_sample", sampled);
  const temperature = parameters.number("temperature", fallback, { min: 0, max: 1000 });
  if (temperature === 0) return { doSample: false, temperature: 1 };
  return { doSample, temperature: Math.max(1e-4, temperature) };
}

function seedOf(parameters: Parameters): number | undefined {
  const seed = parameters.whole("seed", -1, { min: -1, max: Number.MAX_SAFE_INTEGER });
  return seed === -1 ? undefined : seed;
}

function earlyStoppingOf(parameters: Parameters, defaults: JsonObject): boolean | "never" {
  const value = parameters.raw("early_stopping") ?? defaults["early_stopping"];
  return value === "never" ? value : parameters.boolean("early_stopping", value === true);
}

/** One id, several, or none. */
function numbersOf(value: unknown): readonly number[] {
  const list: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [value];
  return list.filter((each) => typeof each === "number");
}

/** `suppress_tokens` and `bad_words_ids`, but for what ends a text. */
function bannedWords(
  defaults: JsonObject,
  ends: ReadonlySet<number>,
): readonly (readonly number[])[] {
  const words = defaults["bad_words_ids"];
  return (Array.isArray(words) ? (words as unknown[]) : [])
    .map((word) => (Array.isArray(word) ? numbersOf(word) : []))
    .filter(([first, ...others]) => others.length > 0 || (first !== undefined && !ends.has(first)))
    .concat(numbersOf(defaults["suppress_tokens"]).map((token) => [token]));
}
