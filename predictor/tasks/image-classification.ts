/** Image classification, as Python's ImageClassificationPipeline does it. */
import { invalid } from "../errors.ts";
import type { JsonObject } from "../protocol/json.ts";
import type { Bytes } from "../protocol/tensor.ts";
import { Gate } from "./gate.ts";
import { applyFunction, bestLabels, functions, labelsOf } from "./labels.ts";
import type { ScoreFunction } from "./labels.ts";
import { Parameters } from "./parameters.ts";
import { decodePicture, kindOf } from "./picture/decode.ts";
import { preparePicture } from "./picture/prepare.ts";
import type { Task, TaskFolder } from "./task.ts";
import { floatsOf } from "./tensors.ts";
import { outputOf } from "./text/graph.ts";

/** A picture takes some hundred megabytes before it is the model's input: one at a time does. */
const decoding = new Gate(1);

export function imageClassification(folder: TaskFolder): Task {
  const input = folder.graphs.model?.inputs[0] ?? { name: "pixel_values", datatype: "FP32" };
  return {
    answer: async ({ image }, given, context) => {
      const parameters = new Parameters(given);
      const topK = parameters.whole("top_k", 5, { min: 1, max: Number.MAX_SAFE_INTEGER });
      const asked = parameters.word("function_to_apply", functions, "default");
      parameters.refuseOthers();
      const pixels = await decoding.pass(async () => {
        const picture = await decodePicture(bytesOf(image ?? ""));
        return preparePicture(picture, folder.preprocessor, input);
      });
      const logits = floatsOf(outputOf(await context.run("model", [pixels]), "logits"));
      const labels = labelsOf(folder.config, logits.length);
      const scores = applyFunction(functionOf(asked, folder.config, logits.length), logits);
      return bestLabels(scores, labels, topK);
    },
  };
}

/** The file itself, or its base64 text, also as a data: URL. */
function bytesOf(given: string | Bytes): Bytes {
  if (typeof given !== "string" && kindOf(given) !== undefined) return given;
  const text = typeof given === "string" ? given : new TextDecoder().decode(given);
  const base64 = text.replace(/^data:[^,]*,/, "");
  if (!/^[\w+/\s-]+={0,2}\s*$/.test(base64)) {
    throw invalid("the image is no base64 text of a JPEG or PNG file");
  }
  return new Uint8Array(Buffer.from(base64, "base64"));
}

/** One label is a sigmoid's, as is a problem with one label each in transformers. */
function functionOf(asked: ScoreFunction, config: JsonObject, count: number): ScoreFunction {
  if (asked !== "default") return asked;
  return config["problem_type"] === "single_label_classification" || count === 1
    ? "sigmoid"
    : "softmax";
}
