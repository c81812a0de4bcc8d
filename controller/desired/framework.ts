/**
 * KServe's old fields (`sklearn:`, `onnx:`, …) read as what they are short for: a model of that
 * format. The user's spec stays as it is.
 */
import type { ModelSpec, PredictorSpec } from "../api/inferenceservice.gen.ts";

export const FRAMEWORKS = [
  "sklearn",
  "xgboost",
  "tensorflow",
  "pytorch",
  "triton",
  "onnx",
  "huggingface",
  "pmml",
  "lightgbm",
  "paddle",
] as const;

export interface NamedModel {
  /** Field of spec.predictor that says it: model, or a framework's. */
  readonly field: "model" | (typeof FRAMEWORKS)[number];
  readonly model: ModelSpec;
}

/** The model of a predictor, whichever field says it; undefined for one of containers alone. */
export function modelOf(predictor: PredictorSpec): NamedModel | undefined {
  if (predictor.model !== undefined) {
    return { field: "model", model: predictor.model };
  }
  const field = FRAMEWORKS.find((framework) => predictor[framework] !== undefined);
  return field === undefined
    ? undefined
    : // The schema leaves the container's fields open there; containers.ts checks them.
      { field, model: { ...(predictor[field] as object), modelFormat: { name: field } } };
}
