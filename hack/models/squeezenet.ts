/**
 * A picture classifier of SqueezeNet 1.1's shape: 1.2 million parameters, 0.35 thousand million
 * multiplications for 224 x 224. Random weights, always the same.
 * Source of the layers: https://arxiv.org/abs/1602.07360 and its version 1.1
 */
import { cachedModel } from "./cache.ts";
import { Net } from "./net.ts";
import type { Message } from "./onnx.ts";
import { classifier, convolve, means, pool } from "./pictures.ts";
import type { Kernel } from "./pictures.ts";

const layer = (net: Net, input: string, of: readonly [number, number], kernel: Kernel): string =>
  net.add("Relu", [convolve(net, input, of, kernel)]);

/** Squeezes to a few channels, and widens them by small and larger kernels side by side. */
function fire(net: Net, input: string, from: number, squeezed: number, to: number): string {
  const narrow = layer(net, input, [from, squeezed], { size: 1 });
  const small = layer(net, narrow, [squeezed, to / 2], { size: 1 });
  const large = layer(net, narrow, [squeezed, to / 2], { size: 3, pad: 1 });
  return net.add("Concat", [small, large], { axis: 1 });
}

/** image f32[batch,3,224,224] → scores f32[batch,1000]. */
export function squeezenetModel(): Message {
  const net = new Net();
  let hidden = pool(net, layer(net, "image", [3, 64], { size: 3, stride: 2 }));
  hidden = fire(net, fire(net, hidden, 64, 16, 128), 128, 16, 128);
  hidden = pool(net, hidden);
  hidden = fire(net, fire(net, hidden, 128, 32, 256), 256, 32, 256);
  hidden = pool(net, hidden);
  hidden = fire(net, fire(net, hidden, 256, 48, 384), 384, 48, 384);
  hidden = fire(net, fire(net, hidden, 384, 64, 512), 512, 64, 512);
  const classes = layer(net, hidden, [512, 1000], { size: 1 });
  return classifier("squeezenet", net, means(net, classes));
}

/** The model's path in the user's cache. */
export async function cachedSqueezenet(): Promise<string> {
  return cachedModel("squeezenet", squeezenetModel);
}

if (import.meta.main) process.stdout.write(`${await cachedSqueezenet()}\n`);
