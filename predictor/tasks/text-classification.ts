/** Text classification, as Python's TextClassificationPipeline does it. */
import type { JsonObject } from "../protocol/json.ts";
import { applyFunction, bestLabels, functions, labelsOf } from "./labels.ts";
import type { ScoreFunction } from "./labels.ts";
import { Parameters } from "./parameters.ts";
import type { Task, TaskFolder } from "./task.ts";
import { floatsOf } from "./tensors.ts";
import { encodeWithin, outputOf, textInputs } from "./text/graph.ts";
import type { TextTokenizer } from "./text/tokenizer.ts";

export function textClassification(folder: TaskFolder, tokenizer: TextTokenizer): Task {
  const signature = folder.graphs.model ?? { inputs: [], outputs: [] };
  return {
    answer: async ({ text, text_pair: pair }, given, context) => {
      const parameters = new Parameters(given);
      const topK = topKOf(parameters);
      const asked = parameters.word("function_to_apply", functions, "default");
      const truncation = parameters.boolean("truncation", false);
      parameters.refuseOthers();
      const second = pair === undefined ? undefined : String(pair);
      const encoding = await encodeWithin(tokenizer, {
        text: String(text),
        pair: second,
        truncation,
      });
      const outputs = await context.run("model", textInputs(signature, encoding));
      const logits = floatsOf(outputOf(outputs, "logits"));
      const labels = labelsOf(folder.config, logits.length);
      const scores = applyFunction(functionOf(asked, folder.config, logits.length), logits);
      const best = bestLabels(scores, labels, topK ?? 1);
      return topK === undefined ? best[0] : best;
    },
  };
}

/** Nothing when it wasn't given: then the answer is one label, not a list. Null is all labels. */
function topKOf(parameters: Parameters): number | undefined {
  const raw = parameters.raw("top_k");
  if (raw === undefined) return undefined;
  return raw === null
    ? Number.POSITIVE_INFINITY
    : parameters.whole("top_k", 1, { min: 1, max: Number.MAX_SAFE_INTEGER });
}

function functionOf(asked: ScoreFunction, config: JsonObject, count: number): ScoreFunction {
  if (asked !== "default") return asked;
  if (config["problem_type"] === "regression") return "none";
  return config["problem_type"] === "multi_label_classification" || count === 1
    ? "sigmoid"
    : "softmax";
}
