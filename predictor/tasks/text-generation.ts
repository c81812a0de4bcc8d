/** Text that continues a prompt, by decoder-only models of GPT-2's shape. */
import { invalid } from "../errors.ts";
import type { JsonObject } from "../protocol/json.ts";
import type { Signature, Tensor } from "../protocol/tensor.ts";
import { carried, emptyPast, flag, lastScores, pastInputs } from "./generation/cache.ts";
import { generate } from "./generation/loop.ts";
import { generationDefaults, parseGeneration } from "./generation/options.ts";
import type { Step } from "./generation/step.ts";
import type { Task, TaskContext, TaskFolder } from "./task.ts";
import { longRows } from "./tensors.ts";
import { outputOf } from "./text/graph.ts";
import type { TextTokenizer } from "./text/tokenizer.ts";

export function textGeneration(folder: TaskFolder, tokenizer: TextTokenizer): Task {
  const signature = folder.graphs.model ?? { inputs: [], outputs: [] };
  const defaults = generationDefaults(folder, "text-generation");
  const positions = positionsOf(folder.config);
  return {
    answer: async ({ text }, given, context) => {
      const { ids } = await tokenizer.encode(String(text));
      const options = parseGeneration(given, defaults, ids.length);
      if (ids.length === 0) throw invalid("the text is empty");
      if (ids.length >= positions) {
        throw invalid(`the text has ${ids.length} tokens, the model takes ${positions}`);
      }
      const newTokensMax = Math.min(options.newTokensMax, positions - ids.length);
      const prompt = await tokenizer.decode(ids, true);
      const generated = await generate(
        {
          start: ids,
          step: stepper(context, signature),
          textOf: async (all) => (await tokenizer.decode(all, true)).slice(prompt.length),
          emit: context.emit,
        },
        { ...options, newTokensMax },
      );
      return { generated_text: options.fullText ? String(text) + generated : generated };
    },
  };
}

function positionsOf(config: JsonObject): number {
  for (const name of ["n_positions", "max_position_embeddings", "n_ctx", "max_seq_len"]) {
    const value = config[name];
    if (typeof value === "number") return value;
  }
  return Number.POSITIVE_INFINITY;
}

/** A step runs the new tokens on the cache of the others, or all of them without a cache. */
function stepper(context: TaskContext, signature: Signature): Step {
  const past = pastInputs(signature);
  const carry = past.length === 0 ? {} : carried(signature);
  const branches = signature.inputs.some(({ name }) => name === "use_cache_branch");
  let first = true;
  return async (rows) => {
    const tokens = rows.map(({ all }) => (first || past.length === 0 ? all : all.slice(-1)));
    const inputs = decoderInputs(signature, tokens, rows[0]?.all.length ?? 0);
    if (branches) inputs.push(flag("use_cache_branch", !first));
    // A graph with two branches doesn't look at this cache, but wants it to have a length.
    if (first) inputs.push(...past.map((spec) => emptyPast(spec, branches ? 1 : 0)));
    first = false;
    const outputs = await context.run("model", inputs, {
      give: ["logits"],
      carry,
      rows: rows.map(({ from }) => from),
    });
    return lastScores(outputOf(outputs, "logits"));
  };
}

/** `rows` are the tokens to run, of sequences that have `total` of them. */
function decoderInputs(
  signature: Signature,
  rows: readonly (readonly number[])[],
  total: number,
): Tensor[] {
  const ones = Array<number>(total).fill(1);
  const positions = [...ones.keys()].slice(-(rows[0]?.length ?? 1));
  const known: Record<string, (name: string) => Tensor> = {
    input_ids: (name) => longRows(name, rows),
    attention_mask: (name) =>
      longRows(
        name,
        rows.map(() => ones),
      ),
    position_ids: (name) =>
      longRows(
        name,
        rows.map(() => positions),
      ),
  };
  return signature.inputs.flatMap(({ name }) => {
    const make = known[name];
    if (make !== undefined) return [make(name)];
    if (name === "use_cache_branch" || name.startsWith("past_key_values.")) return [];
    throw new Error(`the model asks for ${name}, which text generation doesn't give`);
  });
}
