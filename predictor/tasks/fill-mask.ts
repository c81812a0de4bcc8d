/** Masked words, as Python's FillMaskPipeline fills them. */
import { invalid } from "../errors.ts";
import { Parameters } from "./parameters.ts";
import { softmax, topIndexes } from "./scores.ts";
import type { Task, TaskFolder } from "./task.ts";
import { floatsOf } from "./tensors.ts";
import { encodeWithin, outputOf, textInputs } from "./text/graph.ts";
import type { TextTokenizer } from "./text/tokenizer.ts";

const targetsMax = 1000;

export function fillMask(folder: TaskFolder, tokenizer: TextTokenizer): Task {
  const signature = folder.graphs.model ?? { inputs: [], outputs: [] };
  const mask = tokenizer.specialId("mask_token");
  if (mask === undefined) throw new Error("tokenizer_config.json names no mask_token");
  const pad = tokenizer.specialId("pad_token");
  return {
    answer: async ({ text }, given, context) => {
      const parameters = new Parameters(given);
      const topK = parameters.whole("top_k", 5, { min: 1, max: 10_000 });
      const words = parameters.texts("targets", targetsMax);
      parameters.refuseOthers();
      const targets = await targetIds(tokenizer, words);
      const encoding = await encodeWithin(tokenizer, { text: String(text), truncation: false });
      const places = [...encoding.ids.keys()].filter((index) => encoding.ids[index] === mask);
      if (places.length === 0) throw invalid(`the text has no ${tokenizer.token(mask)}`);
      const outputs = await context.run("model", textInputs(signature, encoding));
      const tensor = outputOf(outputs, "logits");
      const logits = floatsOf(tensor);
      const width = tensor.shape.at(-1) ?? 1;
      const only = places.length === 1;
      const rows = places.map(async (place) => {
        const scores = softmax(
          Array.prototype.slice.call(logits, place * width, (place + 1) * width),
        );
        const best = bestTokens(scores, targets, topK);
        return Promise.all(
          best.map(async ({ token, score }) => {
            const filled = encoding.ids.with(place, token).filter((id) => id !== pad);
            const [sequence, name] = await Promise.all([
              tokenizer.decode(filled, only),
              tokenizer.decode([token], false),
            ]);
            return { score, token, token_str: name, sequence };
          }),
        );
      });
      const filled = await Promise.all(rows);
      return only ? filled[0] : filled;
    },
  };
}

/** The words as tokens; one of several tokens counts as its first. */
async function targetIds(
  tokenizer: TextTokenizer,
  words: readonly string[],
): Promise<number[] | undefined> {
  if (words.length === 0) return undefined;
  const ids = await Promise.all(
    words.map(
      async (word) =>
        tokenizer.id(word) ?? (await tokenizer.encode(word, undefined, false)).ids[0] ?? [],
    ),
  );
  const known = [...new Set(ids.flat())];
  if (known.length === 0) throw invalid("none of the targets is a word of the model");
  return known;
}

function bestTokens(
  scores: Float64Array,
  targets: readonly number[] | undefined,
  topK: number,
): { token: number; score: number }[] {
  if (targets === undefined) {
    return topIndexes(scores, topK).map((token) => ({ token, score: scores[token] ?? 0 }));
  }
  const few = targets.map((token) => scores[token] ?? 0);
  return topIndexes(few, topK).map((at) => ({ token: targets[at] ?? 0, score: few[at] ?? 0 }));
}
