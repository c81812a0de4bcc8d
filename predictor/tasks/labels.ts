/** Classes by their names, and the function that a configuration asks for. */
import { isObject } from "../protocol/json.ts";
import type { JsonObject } from "../protocol/json.ts";
import { sigmoid, softmax, topIndexes } from "./scores.ts";

export type Labelled = { readonly label: string; readonly score: number };

/** config.json's `id2label`, or LABEL_0, … as transformers names classes without one. */
export function labelsOf({ id2label }: JsonObject, count: number): string[] {
  const names = isObject(id2label) ? id2label : {};
  return Array.from({ length: count }, (_, index) => {
    const name = names[String(index)];
    return typeof name === "string" ? name : `LABEL_${index}`;
  });
}

export const functions = ["default", "sigmoid", "softmax", "none"] as const;
export type ScoreFunction = (typeof functions)[number];

export function applyFunction(name: ScoreFunction, logits: ArrayLike<number>): ArrayLike<number> {
  if (name === "sigmoid") return sigmoid(logits);
  return name === "none" ? logits : softmax(logits);
}

/** The best labels, the best first. */
export function bestLabels(
  scores: ArrayLike<number>,
  labels: readonly string[],
  count: number,
): Labelled[] {
  return topIndexes(scores, count).map((index) => ({
    label: labels[index] ?? "",
    score: scores[index] ?? 0,
  }));
}
