/** The key-value cache by the names that optimum's exports give it. */
import type { Signature, Tensor, TensorSpec } from "../../protocol/tensor.ts";
import { datatypes } from "../../protocol/datatypes.ts";
import { elementCount } from "../../protocol/tensor.ts";
import { floatsOf } from "../tensors.ts";

const pastPrefix = "past_key_values.";

export function pastInputs(signature: Signature): readonly TensorSpec[] {
  return signature.inputs.filter(({ name }) => name.startsWith(pastPrefix));
}

/** Which output is which input of the next step. Older exports write `present_key_values`. */
export function carried(signature: Signature): Record<string, string> {
  return Object.fromEntries(
    signature.outputs.flatMap(({ name }) => {
      const rest = /^present(?:_key_values)?\.(.*)$/.exec(name)?.[1];
      return rest === undefined ? [] : [[name, pastPrefix + rest]];
    }),
  );
}

/** A cache of `length` steps that nobody made: nothing, or zeros that the graph will not look at. */
export function emptyPast(spec: TensorSpec, length: number): Tensor {
  const shape = spec.shape.map((size, index) => (size !== -1 ? size : index === 0 ? 1 : length));
  const data = new Uint8Array(elementCount(shape) * datatypes[spec.datatype].bytes);
  return { name: spec.name, datatype: spec.datatype, shape, data };
}

export function flag(name: string, value: boolean): Tensor {
  return { name, datatype: "BOOL", shape: [1], data: Uint8Array.of(value ? 1 : 0) };
}

/** The scores after the last token of each row; `logits` are rows of tokens of scores. */
export function lastScores(logits: Tensor): Float64Array[] {
  const width = logits.shape.at(-1) ?? 1;
  const rows = logits.shape[0] ?? 1;
  const values = floatsOf(logits);
  const perRow = values.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const start = (row + 1) * perRow - width;
    return Float64Array.from({ length: width }, (_each, at) => values[start + at] ?? 0);
  });
}
