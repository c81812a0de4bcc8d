/**
 * Trains examples/iris/model/iris.onnx: multinomial logistic regression with an L2 penalty on
 * R. A. Fisher's iris measurements (1936), all 150 rows. Deterministic: same bytes every time.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { node, model, tensor, toBytes, value } from "./onnx.ts";

const features = 4;
const classes = 3;

type Row = { measurements: number[]; label: number };
export type Weights = { coefficients: Float64Array; intercepts: Float64Array };

/** The rows of iris.csv: four measurements in centimetres and the class 0..2. */
export function irisRows(): Row[] {
  const lines = readFileSync(new URL("iris.csv", import.meta.url), "utf8")
    .trim()
    .split("\n");
  return lines.slice(1).map((line) => {
    const numbers = line.split(",").map(Number);
    return { measurements: numbers.slice(0, features), label: numbers[features] ?? Number.NaN };
  });
}

function softmax(logits: Float64Array): Float64Array {
  const highest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - highest));
  const sum = exponentials.reduce((total, each) => total + each, 0);
  return exponentials.map((each) => each / sum);
}

function logitsOf(weights: Weights, measurements: readonly number[]): Float64Array {
  return weights.intercepts.map((intercept, label) =>
    measurements.reduce(
      (sum, each, index) => sum + each * (weights.coefficients[index * classes + label] ?? 0),
      intercept,
    ),
  );
}

/** Full-batch gradient descent on half the squared weights plus cross entropy, to convergence. */
export function train(rows: readonly Row[], steps = 40_000): Weights {
  const weights: Weights = {
    coefficients: new Float64Array(features * classes),
    intercepts: new Float64Array(classes),
  };
  const rate = 0.0005;
  for (let step = 0; step < steps; step++) {
    const slope = {
      coefficients: weights.coefficients.slice(),
      intercepts: new Float64Array(classes),
    };
    for (const row of rows) {
      const errors = softmax(logitsOf(weights, row.measurements));
      errors[row.label] = (errors[row.label] ?? 0) - 1;
      add(slope.intercepts, 1, errors);
      row.measurements.forEach((each, index) =>
        add(slope.coefficients.subarray(index * classes, (index + 1) * classes), each, errors),
      );
    }
    add(weights.coefficients, -rate, slope.coefficients);
    add(weights.intercepts, -rate, slope.intercepts);
  }
  return weights;
}

function add(target: Float64Array, factor: number, values: Float64Array): void {
  for (let index = 0; index < target.length; index++) {
    target[index] = (target[index] ?? 0) + factor * (values[index] ?? 0);
  }
}

/** `input` f32[batch,4] → `label` i64[batch], `probabilities` f32[batch,3]. */
export function irisModel(weights: Weights): Uint8Array {
  return toBytes(
    model({
      name: "iris",
      nodes: [
        node("Gemm", ["input", "coefficients", "intercepts"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], { axis: 1 }),
        node("ArgMax", ["logits"], ["label"], { axis: 1, keepdims: 0 }),
      ],
      inputs: [value("input", "FLOAT", ["batch", features])],
      outputs: [
        value("label", "INT64", ["batch"]),
        value("probabilities", "FLOAT", ["batch", classes]),
      ],
      initializers: [
        tensor(
          "coefficients",
          "FLOAT",
          [features, classes],
          Float32Array.from(weights.coefficients),
        ),
        tensor("intercepts", "FLOAT", [classes], Float32Array.from(weights.intercepts)),
      ],
    }),
  );
}

if (import.meta.main) {
  const target = new URL("../../examples/iris/model/iris.onnx", import.meta.url);
  const weights = train(irisRows());
  const bytes = irisModel(weights);
  writeFileSync(target, bytes);
  process.stdout.write(`wrote ${target.pathname}, ${bytes.byteLength} bytes\n`);
}
