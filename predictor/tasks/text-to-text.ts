/** Text from text by encoder-decoder models of T5's shape: summaries, translations, and others. */
import { isObject } from "../protocol/json.ts";
import type { JsonObject } from "../protocol/json.ts";
import type { Signature, Tensor } from "../protocol/tensor.ts";
import { carried, emptyPast, flag, lastScores, pastInputs } from "./generation/cache.ts";
import { generate } from "./generation/loop.ts";
import { generationDefaults, parseGeneration } from "./generation/options.ts";
import type { Step } from "./generation/step.ts";
import { taskShapes } from "./signatures.ts";
import type { GraphName, Graphs, Task, TaskContext, TaskFolder } from "./task.ts";
import { longRows, longs, takeRows } from "./tensors.ts";
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
function stepper(context: TaskContext, graphs: Graphs, state: Tensor, mask: Tensor): Step {
  let first = true;
  const repeated = repeater([state, mask]);
  return async (rows) => {
    const later = !first && graphs["decoder-with-past"] !== undefined;
    const graph: GraphName = later ? "decoder-with-past" : "decoder";
    const signature = graphs[graph] ?? { inputs: [], outputs: [] };
    const past = pastInputs(signature);
    const cached = past.length > 0 || graphs["decoder-with-past"] !== undefined;
    const inputs = inputsOf(signature, [
      longRows(
        "input_ids",
        rows.map(({ all }) => (cached ? all.slice(-1) : all)),
      ),
      ...repeated(rows.length),
      flag("use_cache_branch", !first),
    ]);
    if (first) inputs.push(...past.map((spec) => emptyPast(spec, 1)));
    const carry = cached ? carriedAt(signature, first) : {};
    first = false;
    const outputs = await context.run(graph, inputs, {
      give: ["logits"],
      carry,
      rows: rows.map(({ from }) => from),
    });
    return lastScores(outputOf(outputs, "logits"));
  };
}

/** What the encoder gave, once for each row; the rows are as many in all steps but the first. */
function repeater(tensors: readonly Tensor[]): (count: number) => readonly Tensor[] {
  let last = tensors;
  return (count) => {
    if (last[0]?.shape[0] !== count) {
      last = tensors.map((tensor) => takeRows(tensor, Array<number>(count).fill(0)));
    }
    return last;
  };
}

function inputsOf(signature: Signature, known: readonly Tensor[]): Tensor[] {
  return known.filter((tensor) => signature.inputs.some(({ name }) => name === tensor.name));
}

function carriedAt(signature: Signature, first: boolean): Record<string, string> {
  const entries = Object.entries(carried(signature));
  return Object.fromEntries(entries.filter(([output]) => first || !output.includes(".encoder.")));
}
