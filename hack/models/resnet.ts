/**
 * A picture classifier of ResNet-50's shape: 25.5 million parameters (102 MB), 4.1 thousand million
 * multiplications for 224 x 224. Random weights, always the same.
 * Source of the layers: https://arxiv.org/abs/1512.03385, table 1; the stride is at the 3 x 3
 * kernel, as in the widespread version 1.5.
 */
import { cachedModel } from "./cache.ts";
import { Net } from "./net.ts";
import type { Message } from "./onnx.ts";
import { classifier, convolve, means, pool } from "./pictures.ts";

/** How many blocks a stage has, and how narrow they are inside. */
const stages = [
  [3, 64],
  [4, 128],
  [6, 256],
  [3, 512],
] as const;
/** So much wider is a block at its ends. */
const expansion = 4;

/** Narrow in the middle, with a way around. */
function bottleneck(
  net: Net,
  input: string,
  { from, inner, stride }: { from: number; inner: number; stride: number },
): string {
  const to = inner * expansion;
  const relu = (hidden: string): string => net.add("Relu", [hidden]);
  const narrow = relu(convolve(net, input, [from, inner], { size: 1 }));
  const middle = relu(convolve(net, narrow, [inner, inner], { size: 3, stride, pad: 1 }));
  const wide = convolve(net, middle, [inner, to], { size: 1 });
  const around = from === to ? input : convolve(net, input, [from, to], { size: 1, stride });
  return relu(net.add("Add", [wide, around]));
}

/** image f32[batch,3,224,224] → scores f32[batch,1000]. */
export function resnetModel(): Message {
  const net = new Net();
  const first = convolve(net, "image", [3, 64], { size: 7, stride: 2, pad: 3 });
  let hidden = pool(net, net.add("Relu", [first]), 1);
  let from = 64;
  for (const [stage, [blocks, inner]] of stages.entries()) {
    for (let block = 0; block < blocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      hidden = bottleneck(net, hidden, { from, inner, stride });
      from = inner * expansion;
    }
  }
  return classifier("resnet", net, net.linear(means(net, hidden), from, 1000));
}

/** The model's path in the user's cache. */
export async function cachedResnet(): Promise<string> {
  return cachedModel("resnet", resnetModel);
}

if (import.meta.main) process.stdout.write(`${await cachedResnet()}\n`);
