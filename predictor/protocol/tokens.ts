/**
 * PURE: joining token sequences of different lengths: the shorter ones are made longer by tokens
 * that the attention mask switches off, and the outputs are cut back.
 */
import { datatypes } from "./datatypes.ts";
import { splitRows } from "./rows.ts";
import { elementCount } from "./tensor.ts";
import type { Signature, Tensor, TensorSpec } from "./tensor.ts";

/** What Hugging Face's exports call them. Zeros behind the end of each mean no token. */
const tokenInputs = new Set(["input_ids", "attention_mask", "token_type_ids"]);

/** The outputs that have a place per token in dimension 1; the others have one per row. */
export type TokenLayout = { readonly perToken: ReadonlySet<string> };

/**
 * How a model's tensors depend on the length, if it looks like a token model: the inputs named as
 * above, [batch, sequence], a mask among them, and every output's free dimensions the same two.
 * Whether its results stay what they are is for the executor's probe to try.
 */
export function tokenLayout({ inputs, outputs }: Signature): TokenLayout | undefined {
  const names = new Set(inputs.map((spec) => spec.name));
  if (!names.has("input_ids") || !names.has("attention_mask")) return undefined;
  const [batch, sequence] = inputs[0]?.dimensionNames ?? [];
  const isFree = (spec: TensorSpec, index: number, name: string | undefined): boolean =>
    spec.shape[index] === -1 && (spec.dimensionNames[index] ?? "") === (name ?? "");
  for (const spec of inputs) {
    if (!tokenInputs.has(spec.name) || spec.shape.length !== 2) return undefined;
    if (!isFree(spec, 0, batch) || !isFree(spec, 1, sequence)) return undefined;
    if (spec.datatype === "BYTES") return undefined;
  }
  const perToken = new Set<string>();
  for (const spec of outputs) {
    if (!isFree(spec, 0, batch) || spec.datatype === "BYTES") return undefined;
    if (isFree(spec, 1, sequence)) perToken.add(spec.name);
    else if (spec.shape[1] === -1) return undefined;
    if (spec.shape.slice(2).includes(-1)) return undefined;
  }
  return { perToken };
}

/** The number of tokens per row that all inputs have, or nothing when they differ. */
export function lengthOf(inputs: readonly Tensor[]): number | undefined {
  const length = inputs[0]?.shape[1];
  return inputs.every((tensor) => tensor.shape[1] === length) ? length : undefined;
}

/** The requests' inputs as one, each row as long as the longest. */
export function joinTokens(requests: readonly (readonly Tensor[])[]): readonly Tensor[] {
  const first = requests[0];
  if (first === undefined || requests.length === 1) return first ?? [];
  return first.map((tensor, index) => joined(requests.map((request) => request[index] ?? tensor)));
}

function joined(parts: readonly Tensor[]): Tensor {
  const [first] = parts as [Tensor];
  const { bytes } = datatypes[first.datatype];
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const length = parts.reduce((longest, { shape }) => Math.max(longest, shape[1] ?? 0), 0);
  const data = new Uint8Array(rows * length * bytes);
  let at = 0;
  for (const { shape, data: own } of parts) {
    const [ownRows = 0, ownLength = 0] = shape;
    for (let row = 0; row < ownRows; row++) {
      const from = row * ownLength * bytes;
      data.set(own.subarray(from, from + ownLength * bytes), at);
      at += length * bytes;
    }
  }
  return { ...first, shape: [rows, length], data };
}

/** What a request of a joined run had: so many rows of so many tokens. */
export type TokenPart = { readonly rows: number; readonly length: number };

/** The outputs of a joined run, one list for each part; nothing when they haven't its shape. */
export function splitTokens(
  outputs: readonly Tensor[],
  parts: readonly TokenPart[],
  { perToken }: TokenLayout,
): Tensor[][] | undefined {
  const longest = parts.reduce((most, { length }) => Math.max(most, length), 0);
  const fits = outputs.every(({ name, shape }) => !perToken.has(name) || shape[1] === longest);
  const split = splitRows(
    outputs,
    parts.map(({ rows }) => rows),
  );
  if (!fits || split === undefined) return undefined;
  return split.map((tensors, index) =>
    tensors.map((tensor) =>
      perToken.has(tensor.name) ? cutTo(tensor, parts[index]?.length ?? longest) : tensor,
    ),
  );
}

function cutTo(tensor: Tensor, length: number): Tensor {
  const [rows = 0, had = 0, ...inner] = tensor.shape;
  if (had === length) return tensor;
  const tokenBytes = elementCount(inner) * datatypes[tensor.datatype].bytes;
  const data = new Uint8Array(rows * length * tokenBytes);
  for (let row = 0; row < rows; row++) {
    const from = row * had * tokenBytes;
    data.set(tensor.data.subarray(from, from + length * tokenBytes), row * length * tokenBytes);
  }
  return { ...tensor, shape: [rows, length, ...inner], data };
}
