/**
 * A model of DistilBERT's shape for question answering: 6 layers of 768, 66.4 million parameters,
 * 254 MiB. The weights are random but always the same; the time of a run doesn't depend on them.
 * Laid out as Hugging Face exports it, so that onnxruntime fuses what it fuses there.
 */
import { cachedModel } from "./cache.ts";
import { Net } from "./net.ts";
import { dataType, model, node, value } from "./onnx.ts";
import type { Message } from "./onnx.ts";

export type Shape = {
  layers: number;
  width: number;
  heads: number;
  inner: number;
  words: number;
  positions: number;
};

export const distilbert: Shape = {
  layers: 6,
  width: 768,
  heads: 12,
  inner: 3072,
  words: 30_522,
  positions: 512,
};

function embed(net: Net, { words, positions, width }: Shape): string {
  const tokens = net.add("Gather", [net.random([words, width]), "input_ids"], { axis: 0 });
  // Positions as a running sum of ones: onnxruntime's shape inference keeps (batch, sequence), which
  // its fusions need, and its rewrite of Range and Gather, which breaks, has nothing to match.
  const same = net.add("Equal", ["input_ids", "input_ids"]);
  const ones = net.add("Cast", [same], { to: dataType.INT64 });
  const places = net.add("CumSum", [ones, net.integers([1n], [])], { exclusive: 1 });
  const placed = net.add("Gather", [net.random([positions, width]), places], { axis: 0 });
  return net.norm(net.add("Add", [tokens, placed]), width);
}

function maskOf(net: Net): string {
  const rows = net.add("Unsqueeze", ["attention_mask", net.integers([1n])]);
  const mask = net.add("Unsqueeze", [rows, net.integers([2n])]);
  const inverse = net.add("Sub", [net.scalar(1), net.add("Cast", [mask], { to: dataType.FLOAT })]);
  return net.add("Mul", [inverse, net.scalar(-10_000)]);
}

function attend(net: Net, input: string, { width, heads }: Shape, mask: string): string {
  const split = net.integers([0n, 0n, BigInt(heads), BigInt(width / heads)]);
  const head = (perm: number[]): string =>
    net.add("Transpose", [net.add("Reshape", [net.linear(input, width, width), split])], { perm });
  const [query, key, values] = [head([0, 2, 1, 3]), head([0, 2, 3, 1]), head([0, 2, 1, 3])];
  const root = net.scalar(Math.sqrt(width / heads));
  const scores = net.add("Div", [net.add("MatMul", [query, key]), root]);
  const weights = net.add("Softmax", [net.add("Add", [scores, mask])], { axis: 3 });
  const mixed = net.add("Transpose", [net.add("MatMul", [weights, values])], {
    perm: [0, 2, 1, 3],
  });
  return net.add("Reshape", [mixed, net.integers([0n, 0n, BigInt(width)])]);
}

function layer(net: Net, input: string, shape: Shape, mask: string): string {
  const { width, inner } = shape;
  const attended = net.linear(attend(net, input, shape, mask), width, width);
  const middle = net.norm(net.add("Add", [attended, input]), width);
  const wide = net.linear(middle, width, inner);
  const error = net.add("Erf", [net.add("Div", [wide, net.scalar(Math.SQRT2)])]);
  const gelu = net.add("Mul", [
    net.add("Mul", [wide, net.add("Add", [error, net.scalar(1)])]),
    net.scalar(0.5),
  ]);
  return net.norm(net.add("Add", [net.linear(gelu, inner, width), middle]), width);
}

/** input_ids, attention_mask i64[batch,sequence] → start_logits, end_logits f32[batch,sequence]. */
export function distilbertModel(shape: Shape): Message {
  const net = new Net();
  const mask = maskOf(net);
  let hidden = embed(net, shape);
  for (let index = 0; index < shape.layers; index++) hidden = layer(net, hidden, shape, mask);
  const logits = net.linear(hidden, shape.width, 2);
  net.nodes.push(node("Split", [logits], ["starts", "ends"], { axis: -1 }));
  const last = net.integers([-1n]);
  net.nodes.push(node("Squeeze", ["starts", last], ["start_logits"]));
  net.nodes.push(node("Squeeze", ["ends", last], ["end_logits"]));
  const dims = ["batch", "sequence"];
  return model({
    name: "distilbert",
    nodes: net.nodes,
    inputs: ["input_ids", "attention_mask"].map((name) => value(name, "INT64", dims)),
    outputs: ["start_logits", "end_logits"].map((name) => value(name, "FLOAT", dims)),
    initializers: net.initializers,
  });
}

/** The model's path in the user's cache, written on the first call: 254 MiB are not for git. */
export async function cachedDistilbert(): Promise<string> {
  return cachedModel("distilbert", () => distilbertModel(distilbert));
}

if (import.meta.main) process.stdout.write(`${await cachedDistilbert()}\n`);
