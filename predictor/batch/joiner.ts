/**
 * PURE: how requests of a model become one run and its results theirs again: along the rows, and
 * for token models with padding.
 */
import { batchKey, joinRows, rowsOf, splitRows } from "../protocol/rows.ts";
import type { SentTensor, Signature, Tensor } from "../protocol/tensor.ts";
import { joinTokens, lengthOf, splitTokens, tokenLayout } from "../protocol/tokens.ts";
import type { TokenPart } from "../protocol/tokens.ts";

/** What a request is to the plan. */
export type Size = {
  /** Requests of equal keys may be joined; one without a key always runs alone. */
  readonly key: string | undefined;
  readonly rows: number;
  /** Tokens per row, where rows of different lengths may be joined; else 0. */
  readonly length: number;
};

export type Joiner = {
  sizeOf(inputs: readonly Tensor[], outputs: readonly string[]): Size;
  join(requests: readonly (readonly Tensor[])[]): readonly SentTensor[];
  /** One list of outputs per request; nothing when the outputs don't fit what was joined. */
  split(outputs: readonly Tensor[], sizes: readonly TokenPart[]): Tensor[][] | undefined;
};

/** What the executor's probe found out about a model. */
export type Joinable = {
  readonly signature: Signature;
  readonly batchable: boolean;
  readonly padding?: boolean;
};

/** What is larger than this has nothing to gain from company, and runs alone. */
const joinedBytesMax = 16 * 1024 * 1024;

const aloneSize: Size = { key: undefined, rows: 1, length: 0 };

const alone: Joiner = {
  sizeOf: () => aloneSize,
  join: joinRows,
  split: () => undefined,
};

const byRows: Joiner = {
  sizeOf: (inputs, outputs) => {
    const rows = rowsOf(inputs);
    if (rows === undefined || isLarge(inputs)) return aloneSize;
    return { key: batchKey(inputs, outputs), rows, length: 0 };
  },
  join: joinRows,
  split: (outputs, sizes) =>
    splitRows(
      outputs,
      sizes.map(({ rows }) => rows),
    ),
};

/** The way to join a model's requests. */
export function joinerFor({ signature, batchable, padding = false }: Joinable): Joiner {
  if (!batchable) return alone;
  const layout = padding ? tokenLayout(signature) : undefined;
  if (layout === undefined) return byRows;
  return {
    sizeOf: (inputs, outputs) => {
      const length = lengthOf(inputs);
      if (length === undefined) return byRows.sizeOf(inputs, outputs);
      const rows = rowsOf(inputs);
      if (rows === undefined || isLarge(inputs)) return aloneSize;
      return { key: outputs.join("\n"), rows, length };
    },
    join: joinTokens,
    split: (outputs, sizes) => splitTokens(outputs, sizes, layout),
  };
}

function isLarge(inputs: readonly Tensor[]): boolean {
  return inputs.reduce((sum, { data }) => sum + data.byteLength, 0) > joinedBytesMax;
}
