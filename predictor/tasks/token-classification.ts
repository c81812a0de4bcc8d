/** Token classification (named entities), as Python's TokenClassificationPipeline does it. */
import { invalid } from "../errors.ts";
import type { JsonObject } from "../protocol/json.ts";
import { aggregate, joinOverlapping, strategies } from "./entities.ts";
import type { Strategy, TaggedToken } from "./entities.ts";
import { labelsOf } from "./labels.ts";
import { Parameters } from "./parameters.ts";
import { softmax } from "./scores.ts";
import type { Task, TaskContext, TaskFolder } from "./task.ts";
import { floatsOf } from "./tensors.ts";
import { codePoints, windows } from "./text/encoding.ts";
import type { Encoding } from "./text/encoding.ts";
import { outputOf, textInputs } from "./text/graph.ts";
import type { TextTokenizer } from "./text/tokenizer.ts";

const windowsMax = 1000;
const labelsIgnoredMax = 1000;

export function tokenClassification(folder: TaskFolder, tokenizer: TextTokenizer): Task {
  const signature = folder.graphs.model ?? { inputs: [], outputs: [] };
  return {
    answer: async ({ text }, given, context) => {
      const options = parseOptions(given);
      const sentence = String(text);
      const parts = await cutText(tokenizer, sentence, options.stride);
      const points = codePoints(sentence);
      const found = await Promise.all(
        parts.map(async (part) => {
          const tokens = await tagTokens(context, textInputs(signature, part), {
            part,
            points,
            tokenizer,
          });
          const labels = labelsOf(folder.config, tokens[0]?.scores.length ?? 0);
          const join = (words: readonly string[]): string => tokenizer.join(words);
          return aggregate(tokens, { strategy: options.strategy, labels, join });
        }),
      );
      const entities = found
        .flat()
        .filter((each) => !options.ignored.includes(each.entity ?? each.entity_group ?? ""));
      return parts.length > 1 ? joinOverlapping(entities) : entities;
    },
  };
}

type Options = {
  readonly strategy: Strategy;
  readonly ignored: readonly string[];
  readonly stride: number | undefined;
};

function parseOptions(given: JsonObject): Options {
  const parameters = new Parameters(given);
  const strategy = parameters.word("aggregation_strategy", strategies, "none");
  const ignoring = (parameters.raw("ignore_labels") ?? undefined) !== undefined;
  const ignored = parameters.texts("ignore_labels", labelsIgnoredMax);
  const stride = parameters.whole("stride", -1, { min: -1, max: Number.MAX_SAFE_INTEGER });
  parameters.refuseOthers();
  if (stride >= 0 && strategy === "none") {
    throw invalid("stride needs an aggregation_strategy: overlapping tokens must be joined");
  }
  return {
    strategy,
    ignored: ignoring ? ignored : ["O"],
    stride: stride === -1 ? undefined : stride,
  };
}

/** Without a stride, what the model can't take is cut off, as in Python. */
async function cutText(
  tokenizer: TextTokenizer,
  text: string,
  stride: number | undefined,
): Promise<Encoding[]> {
  const encoding = await tokenizer.encode(text);
  const countMax = stride === undefined ? 1 : windowsMax + 1;
  const options = { lengthMax: tokenizer.lengthMax, stride: stride ?? 0, sequence: 0, countMax };
  const parts = windows(encoding, options);
  if (parts === undefined) throw invalid(`stride must be below ${tokenizer.lengthMax}`);
  if (parts.length > windowsMax) throw invalid(`the text needs more than ${windowsMax} windows`);
  return parts;
}

async function tagTokens(
  context: TaskContext,
  inputs: ReturnType<typeof textInputs>,
  text: { part: Encoding; points: readonly string[]; tokenizer: TextTokenizer },
): Promise<TaggedToken[]> {
  const tensor = outputOf(await context.run("model", inputs), "logits");
  const logits = floatsOf(tensor);
  const width = tensor.shape.at(-1) ?? 1;
  const { part, points, tokenizer } = text;
  const unknown = tokenizer.specialId("unk_token");
  return part.ids.flatMap((id, index) => {
    if (part.special[index] === true) return [];
    const [start, end] = part.offsets[index] ?? [0, 0];
    const written = points.slice(start, end).join("");
    const token = part.tokens[index] ?? "";
    const isUnknown = id === unknown;
    const inside =
      tokenizer.subwordPrefix === undefined
        ? start > 0 && !points.slice(start - 1, start + 1).includes(" ")
        : codePoints(token).length !== end - start;
    return {
      word: isUnknown ? written : token,
      inside: !isUnknown && inside,
      scores: softmax(Array.prototype.slice.call(logits, index * width, (index + 1) * width)),
      index,
      start,
      end,
    };
  });
}
