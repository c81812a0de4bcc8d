/**
 * What a model is tried with before it serves: made-up inputs of a shape that it might take. A run
 * that fails says little, since few models take everything; one that succeeds warms the session up,
 * and three show whether rows may be joined.
 */
import { datatypes } from "../protocol/datatypes.ts";
import { declaresBatch, joinRows, splitRows } from "../protocol/rows.ts";
import { elementCount, inOnePiece, numbersOf, packStrings, setterOf } from "../protocol/tensor.ts";
import type { Bytes, Signature, Tensor, TensorSpec } from "../protocol/tensor.ts";
import { joinTokens, splitTokens, tokenLayout } from "../protocol/tokens.ts";
import type { Session } from "./session.ts";

/** Sizes to try for the free dimensions: small, then what convolutions and audio models ask for. */
const freeSizes = [8, 32, 512];
/** A model with larger fixed inputs isn't tried. */
const elementsMax = 16_777_216;
/** Room for the different order of sums in a larger matrix multiplication. */
const relativeTolerance = 1e-3;
/** Two neighbours of this datatype differ by more. */
const bfloat16Tolerance = 2 ** -7;
const absoluteTolerance = 1e-5;

export type Probe = {
  readonly warm: boolean;
  readonly batchable: boolean;
  /** Rows of different lengths may be joined, as padding changes nothing. */
  readonly padding: boolean;
  readonly failure?: string;
};

/** Inputs with the given size in every free dimension, one row each; `seed` varies the values. */
export function sampleInputs(
  signature: Signature,
  size: number,
  seed: number,
): Tensor[] | undefined {
  const tensors = signature.inputs.map((spec) => sampleTensor(spec, size, seed));
  return tensors.every((each) => each !== undefined) ? tensors : undefined;
}

function sampleTensor(spec: TensorSpec, size: number, seed: number): Tensor | undefined {
  const shape = spec.shape.map((dim, index) => (dim !== -1 ? dim : index === 0 ? 1 : size));
  const count = elementCount(shape);
  if (count > elementsMax) return undefined;
  return { name: spec.name, datatype: spec.datatype, shape, data: sampleData(spec, count, seed) };
}

function sampleData(spec: TensorSpec, count: number, seed: number): Bytes {
  const { kind, bytes } = datatypes[spec.datatype];
  if (kind === "string") return packStrings(Array.from<string>({ length: count }).fill("a"));
  const data = new Uint8Array(count * bytes);
  // Zeros in the first sample: the one input that never makes a loop long or an index too large.
  if (seed === 0) return data;
  if (kind === "bool") return data.fill(1);
  const set = setterOf({ datatype: spec.datatype, data });
  for (let index = 0; index < count; index++) {
    const small = (index * 7 + seed) % 3;
    set(index, kind === "float" ? small / 2 : small % 2);
  }
  return data;
}

/** Runs the model once, and three times more when it claims to take batches. */
export async function probe(session: Session): Promise<Probe> {
  let failure = "its inputs are too large to make up";
  for (const size of freeSizes) {
    const sample = sampleInputs(session.signature, size, 0);
    if (sample === undefined) continue;
    try {
      const outputs = await session.run(sample, outputNames(session));
      const batchable = declaresBatch(session.signature) && (await takesRows(session, size));
      const padding = batchable && (await takesPadding(session));
      return { warm: outputs.length > 0, batchable, padding };
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
  }
  return { warm: false, batchable: false, padding: false, failure };
}

const outputNames = (session: Session): string[] => session.signature.outputs.map((x) => x.name);

/** Whether two rows run together give what they give alone. */
async function takesRows(session: Session, size: number): Promise<boolean> {
  const singles = [1, 2].flatMap((seed) => {
    const sample = sampleInputs(session.signature, size, seed);
    return sample === undefined ? [] : [sample];
  });
  try {
    const names = outputNames(session);
    const alone = [];
    for (const single of singles) alone.push(await session.run(single, names));
    const together = await session.run(joinRows(singles).map(inOnePiece), names);
    const split = splitRows(together, [1, 1]);
    if (split === undefined || alone.length !== 2) return false;
    return alone.every((tensors, row) =>
      tensors.every((tensor, index) => isClose(tensor, split[row]?.[index])),
    );
  } catch {
    return false; // What fails in the probe would fail in production.
  }
}

/** Lengths to try: the first alone says little of a model that looks at pairs of tokens. */
const triedLengths = [5, 8];

/** Whether a short and a long sequence run together give what they give alone. */
async function takesPadding(session: Session): Promise<boolean> {
  const layout = tokenLayout(session.signature);
  if (layout === undefined) return false;
  const names = outputNames(session);
  const singles = triedLengths.map((length) => sampleTokens(session.signature, length));
  try {
    const alone = [];
    for (const single of singles) alone.push(await session.run(single, names));
    const parts = triedLengths.map((length) => ({ rows: 1, length }));
    const split = splitTokens(await session.run(joinTokens(singles), names), parts, layout);
    return alone.every((tensors, row) =>
      tensors.every((tensor, index) => isClose(tensor, split?.[row]?.[index])),
    );
  } catch {
    return false;
  }
}

/** One row of so many tokens: ids that every vocabulary has, none masked, all of one segment. */
function sampleTokens(signature: Signature, length: number): Tensor[] {
  return signature.inputs.map(({ name, datatype }) => {
    const data = new Uint8Array(length * datatypes[datatype].bytes);
    const set = setterOf({ datatype, data });
    for (let index = 0; index < length; index++) {
      set(index, name === "input_ids" ? (index % 7) + 1 : name === "attention_mask" ? 1 : 0);
    }
    return { name, datatype, shape: [1, length], data };
  });
}

/** Equal but for the rounding that another order of additions brings. */
export function isClose(one: Tensor, other: Tensor | undefined): boolean {
  if (other === undefined || one.shape.join() !== other.shape.join()) return false;
  if (datatypes[one.datatype].kind !== "float") return Buffer.compare(one.data, other.data) === 0;
  const relative = one.datatype === "BF16" ? bfloat16Tolerance : relativeTolerance;
  const [left, right] = [numbersOf(one) as number[], numbersOf(other) as number[]];
  for (let index = 0; index < left.length; index++) {
    const [a, b] = [left[index] ?? 0, right[index] ?? 0];
    if (Object.is(a, b)) continue;
    const tolerance = absoluteTolerance + relative * Math.max(Math.abs(a), Math.abs(b));
    if (!(Math.abs(a - b) <= tolerance)) return false;
  }
  return true;
}
