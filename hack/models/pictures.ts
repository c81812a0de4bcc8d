/** What classifiers of pictures are built of, whatever their shape. */
import type { Net } from "./net.ts";
import { model, value } from "./onnx.ts";
import type { Message } from "./onnx.ts";

export type Kernel = { readonly size: number; readonly stride?: number; readonly pad?: number };

/** A convolution with its bias, as a normalisation that was folded into it leaves it. */
export function convolve(
  net: Net,
  input: string,
  [from, to]: readonly [number, number],
  { size, stride = 1, pad = 0 }: Kernel,
): string {
  const weights = net.random([to, from, size, size]);
  return net.add("Conv", [input, weights, net.constant(to, 0.01)], {
    kernel_shape: [size, size],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
  });
}

/** The largest of each 3 x 3, every second one. */
export function pool(net: Net, input: string, pad = 0): string {
  const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [pad, pad, pad, pad] };
  return net.add("MaxPool", [input], attributes);
}

/** image f32[batch,3,224,224] → scores f32[batch,1000], from the scores' logits. */
export function classifier(name: string, net: Net, logits: string): Message {
  net.rename(net.add("Softmax", [logits], { axis: 1 }), "scores");
  return model({
    name,
    nodes: net.nodes,
    inputs: [value("image", "FLOAT", ["batch", 3, 224, 224])],
    outputs: [value("scores", "FLOAT", ["batch", 1000])],
    initializers: net.initializers,
  });
}

/** The mean of each channel: [batch, channels]. */
export function means(net: Net, input: string): string {
  return net.add("Flatten", [net.add("GlobalAveragePool", [input])], { axis: 1 });
}
