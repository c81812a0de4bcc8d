/** Text models' inputs by the names that exporters give them. */
import { invalid } from "../../errors.ts";
import type { Signature, Tensor } from "../../protocol/tensor.ts";
import { longs } from "../tensors.ts";
import type { Outputs } from "../task.ts";
import { windows } from "./encoding.ts";
import type { Encoding } from "./encoding.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** One encoding as what the graph asks for. Throws for a graph that asks for something else. */
export function textInputs(signature: Signature, encoding: Encoding): Tensor[] {
  const { ids, typeIds } = encoding;
  return signature.inputs.map(({ name }) => {
    if (name === "input_ids") return longs(name, ids);
    if (name === "attention_mask")
      return longs(
        name,
        ids.map(() => 1),
      );
    if (name === "token_type_ids") return longs(name, typeIds);
    if (name === "position_ids") return longs(name, [...ids.keys()]);
    throw new Error(`the model asks for ${name}, which a tokenizer doesn't give`);
  });
}

/** An output of a run; `logits` or else the first. Throws when the graph has no such output. */
export function outputOf(outputs: Outputs, name: string, fallback = 0): Tensor {
  const found = outputs.get(name) ?? [...outputs.values()][fallback];
  if (found === undefined) throw new Error(`the model has no output ${name}`);
  return found;
}

/** Throws ServingError `invalid` in the words of all tasks. */
export function tooLong(tokens: number, lengthMax: number): Error {
  return invalid(
    `the text has ${tokens} tokens, the model takes ${lengthMax}; set truncation to true`,
  );
}

/**
 * A text as tokens that fit the model: cut when truncation is asked for, refused when it isn't.
 * Of a pair, the first text is cut.
 */
export async function encodeWithin(
  tokenizer: TextTokenizer,
  given: { text: string; pair?: string | undefined; truncation: boolean },
): Promise<Encoding> {
  const encoding = await tokenizer.encode(given.text, given.pair);
  const { lengthMax } = tokenizer;
  if (encoding.ids.length <= lengthMax) return encoding;
  const options = { lengthMax, stride: 0, sequence: 0, countMax: 1 };
  const part = given.truncation ? windows(encoding, options)?.[0] : undefined;
  if (part === undefined) throw tooLong(encoding.ids.length, lengthMax);
  return part;
}
