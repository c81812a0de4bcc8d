/**
 * A picture classifier of SqueezeNet 1.1's shape: 1.2 million parameters, 0.35 thousand million
 * multiplications for 224 x 224. Random weights, always the same.
 * Source of the layers: https://arxiv.org/abs/1602.07360 and its version 1.1
 */
import { cachedModel } from "./cache.ts";
import { Net } from "./net.ts";
import { model, value } from "./onnx.ts";
import type { Message } from "./onnx.ts";

type Kernel = { readonly size: number; readonly stride?: number; readonly pad?: number };

function convolve(net: Net, input: string, from: number, to: number, kernel: Kernel): string {
  const { size, stride = 1, pad = 0 } = kernel;
  const weights = net.random([to, from, size, size]);
  const convolved = net.add("Conv", [input, weights, net.constant(to, 0.01)], {
    kernel_shape: [size, size],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
  });
  return net.add("Relu", [convolved]);
}

const pool = (net: Net, input: string): string =>
  net.add("MaxPool", [input], { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 0, 0] });

/** Squeezes to a few channels, and widens them by small and larger kernels side by side. */
function fire(net: Net, input: string, from: number, squeezed: number, to: number): string {
  const narrow = convolve(net, input, from, squeezed, { size: 1 });
  const small = convolve(net, narrow, squeezed, to / 2, { size: 1 });
  const large = convolve(net, narrow, squeezed, to / 2, { size: 3, pad: 1 });
  return net.add("Concat", [small, large], { axis: 1 });
}

/** image f32[batch,3,224,224] → scores f32[batch,1000]. */
export function squeezenetModel(): Message {
  const net = new Net();
  let hidden = pool(net, convolve(net, "image", 3, 64, { size: 3, stride: 2 }));
  hidden = fire(net, fire(net, hidden, 64, 16, 128), 128, 16, 128);
  hidden = pool(net, hidden);
  hidden = fire(net, fire(net, hidden, 128, 32, 256), 256, 32, 256);
  hidden = pool(net, hidden);
  hidden = fire(net, fire(net, hidden, 256, 48, 384), 384, 48, 384);
  hidden = fire(net, fire(net, hidden, 384, 64, 512), 512, 64, 512);
  const classes = convolve(net, hidden, 512, 1000, { size: 1 });
  const means = net.add("GlobalAveragePool", [classes]);
  const flat = net.add("Flatten", [means], { axis: 1 });
  net.rename(net.add("Softmax", [flat], { axis: 1 }), "scores");
  return model({
    name: "squeezenet",
    nodes: net.nodes,
    inputs: [value("image", "FLOAT", ["batch", 3, 224, 224])],
    outputs: [value("scores", "FLOAT", ["batch", 1000])],
    initializers: net.initializers,
  });
}

/** The model's path in the user's cache. */
export async function cachedSqueezenet(): Promise<string> {
  return cachedModel("squeezenet", squeezenetModel);
}

if (import.meta.main) process.stdout.write(`${await cachedSqueezenet()}\n`);
