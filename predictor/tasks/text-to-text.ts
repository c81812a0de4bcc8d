/** Text from text by encoder-decoder models of T5's shape: summaries, translations, and others. */
import { isObject } from "../protocol/json.ts";
import type { JsonObject } from "../protocol/json.ts";
import type { Signature, Tensor } from "../protocol/tensor.ts";
import { carried, emptyPast, flag, lastRow, pastInputs } from "./generation/cache.ts";
import { generate } from "./generation/loop.ts";
import { endTokens, generationDefaults, parseGeneration } from "./generation/options.ts";
import { taskShapes } from "./signatures.ts";
import type { GraphName, Graphs, Task, TaskContext, TaskFolder } from "./task.ts";
import { longs } from "./tensors.ts";
import { encodeWithin, outputOf, textInputs } from "./text/graph.ts";
import type { TextTokenizer } from "./text/tokenizer.ts";

type TaskName = "text2text-generation" | "summarization" | "translation";

export function textToText(folder: TaskFolder, tokenizer: TextTokenizer, name: TaskName): Task {
  const { encoder, decoder } = folder.graphs;
  if (encoder === undefined || decoder === undefined) {
    throw new Error("the folder holds no encoder and decoder, which the task needs");
  }
  const defaults = generationDefaults(folder, configuredTask(folder.config, name));
  const start = startToken(defaults);
  const key = taskShapes[name].columns[0]?.name ?? "generated_text";
  const { prefix } = defaults;
  return {
    answer: async ({ text }, given, context) => {
      // transformers counts the token that the decoder starts with as one of the answer's.
      const options = parseGeneration(given, defaults, 1);
      const whole = (typeof prefix === "string" ? prefix : "") + String(text);
      const encoding = await encodeWithin(tokenizer, {
        text: whole,
        truncation: options.truncation,
      });
      const inputs = textInputs(encoder, encoding);
      const state = outputOf(await context.run("encoder", inputs), "last_hidden_state");
      const mask = longs(
        "encoder_attention_mask",
        encoding.ids.map(() => 1),
      );
      const generated = await generate(
        {
          start: [start],
          step: stepper(context, folder.graphs, { ...state, name: "encoder_hidden_states" }, mask),
          ends: endTokens(defaults),
          textOf: async (all) => tokenizer.decode(all.slice(1), true),
          emit: context.emit,
        },
        options,
      );
      return { [key]: generated };
    },
  };
}

/** Configurations name translations by their languages: translation_en_to_de. */
function configuredTask({ task_specific_params: tasks }: JsonObject, name: TaskName): string {
  const names = isObject(tasks) ? Object.keys(tasks) : [];
  return names.find((each) => each === name || each.startsWith(`${name}_`)) ?? name;
}

function startToken(defaults: JsonObject): number {
  for (const name of ["decoder_start_token_id", "bos_token_id"]) {
    const value = defaults[name];
    if (typeof value === "number") return value;
  }
  throw new Error("config.json has no decoder_start_token_id");
}

/**
 * A merged decoder has a branch without a cache and one with; otherwise they are two graphs, or one
 * without any cache. The encoder's half of the cache is made once, in the first step.
 */
function stepper(
  context: TaskContext,
  graphs: Graphs,
  state: Tensor,
  mask: Tensor,
): (fresh: readonly number[], all: readonly number[]) => Promise<Float64Array> {
  let first = true;
  return async (fresh, all) => {
    const later = !first && graphs["decoder-with-past"] !== undefined;
    const graph: GraphName = later ? "decoder-with-past" : "decoder";
    const signature = graphs[graph] ?? { inputs: [], outputs: [] };
    const past = pastInputs(signature);
    const cached = past.length > 0 || graphs["decoder-with-past"] !== undefined;
    const inputs = inputsOf(signature, [
      longs("input_ids", cached ? fresh : all),
      state,
      mask,
      flag("use_cache_branch", !first),
    ]);
    if (first) inputs.push(...past.map((spec) => emptyPast(spec, 1)));
    const carry = cached ? carriedAt(signature, first) : {};
    first = false;
    const outputs = await context.run(graph, inputs, { give: ["logits"], carry });
    return lastRow(outputOf(outputs, "logits"));
  };
}

function inputsOf(signature: Signature, known: readonly Tensor[]): Tensor[] {
  return known.filter((tensor) => signature.inputs.some(({ name }) => name === tensor.name));
}

function carriedAt(signature: Signature, first: boolean): Record<string, string> {
  const entries = Object.entries(carried(signature));
  return Object.fromEntries(entries.filter(([output]) => first || !output.includes(".encoder.")));
}
