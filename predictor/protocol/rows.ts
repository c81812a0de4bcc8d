/**
 * Joining requests along dimension 0 and splitting the results: what batching is, as bytes.
 */
import { byteEnd, elementCount } from "./tensor.ts";
import type { SentTensor, Signature, Tensor } from "./tensor.ts";

/** The number of rows that all the tensors have, or nothing when they differ or one is a scalar. */
export function rowsOf(tensors: readonly Tensor[]): number | undefined {
  const rows = tensors[0]?.shape[0];
  return tensors.every((tensor) => tensor.shape[0] === rows) ? rows : undefined;
}

/**
 * Whether the model declares dimension 0 of everything as the batch: free, and of one name. A model
 * whose state lies beside the batch (`[2, batch, 128]`) or that takes a scalar isn't. Names can lie,
 * so that the executor runs a probe before it believes this.
 */
export function declaresBatch(signature: Signature): boolean {
  const all = [...signature.inputs, ...signature.outputs];
  const name = all[0]?.dimensionNames[0] ?? "";
  return all.every((spec) => spec.shape[0] === -1 && (spec.dimensionNames[0] ?? "") === name);
}

/** What may run together: equal but for the rows. */
export function batchKey(inputs: readonly Tensor[], outputs: readonly string[]): string {
  const shapes = inputs.map((tensor) => tensor.shape.slice(1).join("x"));
  return `${shapes.join(" ")}\n${outputs.join("\n")}`;
}

/**
 * The requests' tensors as one request, in pieces as they lie. They have equal names, datatypes and
 * further dimensions.
 */
export function joinRows(requests: readonly (readonly Tensor[])[]): readonly SentTensor[] {
  const first = requests[0];
  if (first === undefined || requests.length === 1) return first ?? [];
  return first.map((tensor, index) => {
    const parts = requests.map((request) => request[index] ?? tensor);
    const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
    const data = parts.map((part) => part.data);
    return { ...tensor, shape: [rows, ...tensor.shape.slice(1)], data };
  });
}

/**
 * The outputs of a joined run, one list for each of the requests with `rows[i]` rows; nothing when
 * an output hasn't as many rows as went in, which means that dimension 0 was no batch after all.
 */
export function splitRows(
  outputs: readonly Tensor[],
  rows: readonly number[],
): Tensor[][] | undefined {
  const total = rows.reduce((sum, each) => sum + each, 0);
  if (outputs.some((tensor) => tensor.shape[0] !== total)) return undefined;
  const columns = outputs.map((tensor) => splitTensor(tensor, rows));
  return rows.map((_, index) => columns.flatMap((parts) => parts[index] ?? []));
}

function splitTensor(tensor: Tensor, rows: readonly number[]): Tensor[] {
  const inner = tensor.shape.slice(1);
  const rowElements = elementCount(inner);
  let at = 0;
  return rows.map((count) => {
    const end = byteEnd(tensor, at, count * rowElements);
    const part = { ...tensor, shape: [count, ...inner], data: tensor.data.subarray(at, end) };
    at = end;
    return part;
  });
}
