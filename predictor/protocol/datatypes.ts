/// <reference lib="esnext.float16" />
/**
 * The datatypes of the Open Inference Protocol: one row each. Everything that depends on a datatype
 * reads this table.
 */
import { bfloat16Max } from "./bfloat16.ts";

export type Datatype =
  | "BOOL"
  | "UINT8"
  | "UINT16"
  | "UINT32"
  | "UINT64"
  | "INT8"
  | "INT16"
  | "INT32"
  | "INT64"
  | "FP16"
  | "BF16"
  | "FP32"
  | "FP64"
  | "BYTES";

/** How a JSON value becomes an element: its own rules for range and precision. */
export type Kind = "bool" | "integer" | "long" | "float" | "string";

type Elements = ArrayLike<number | bigint>;

export type DatatypeRow = {
  /** onnxruntime's word for it. */
  readonly onnx: string;
  readonly kind: Kind;
  /** Size of an element; BYTES elements carry their own. */
  readonly bytes: number;
  readonly array: new (buffer: ArrayBuffer, byteOffset: number, length: number) => Elements;
  /** The smallest and largest value; for floats the largest finite one. */
  readonly min: number | bigint;
  readonly max: number | bigint;
};

const integer = (
  onnx: string,
  array: DatatypeRow["array"],
  bytes: number,
  signed: boolean,
): DatatypeRow => ({
  onnx,
  array,
  bytes,
  kind: "integer",
  min: signed ? -(2 ** (8 * bytes - 1)) : 0,
  max: 2 ** (signed ? 8 * bytes - 1 : 8 * bytes) - 1,
});

const float = (
  onnx: string,
  array: DatatypeRow["array"],
  bytes: number,
  max: number,
): DatatypeRow => ({ onnx, array, bytes, kind: "float", min: -max, max });

export const datatypes: Readonly<Record<Datatype, DatatypeRow>> = {
  BOOL: { onnx: "bool", kind: "bool", bytes: 1, array: Uint8Array, min: 0, max: 1 },
  UINT8: integer("uint8", Uint8Array, 1, false),
  UINT16: integer("uint16", Uint16Array, 2, false),
  UINT32: integer("uint32", Uint32Array, 4, false),
  UINT64: {
    ...integer("uint64", BigUint64Array, 8, false),
    kind: "long",
    min: 0n,
    max: 2n ** 64n - 1n,
  },
  INT8: integer("int8", Int8Array, 1, true),
  INT16: integer("int16", Int16Array, 2, true),
  INT32: integer("int32", Int32Array, 4, true),
  INT64: {
    ...integer("int64", BigInt64Array, 8, true),
    kind: "long",
    min: -(2n ** 63n),
    max: 2n ** 63n - 1n,
  },
  // From half a step above the largest finite value on, a number would round to infinity.
  FP16: float("float16", Float16Array, 2, 65_520 - 2 ** -37),
  // Words: what they stand for is in bfloat16.ts. onnxruntime's Node binding has none of them, so
  // that models with this at their borders are widened (executor/bfloat16-model.ts).
  BF16: float("bfloat16", Uint16Array, 2, bfloat16Max),
  FP32: float("float32", Float32Array, 4, 2 ** 128 - 2 ** 103 - 2 ** 75),
  FP64: float("float64", Float64Array, 8, Number.MAX_VALUE),
  BYTES: { onnx: "string", kind: "string", bytes: 1, array: Uint8Array, min: 0, max: 0 },
};

const byOnnxName = new Map<string, Datatype>(
  Object.entries(datatypes).map(([name, row]) => [row.onnx, name as Datatype]),
);

/** Whether a word is one of the protocol's datatypes, which are upper case. */
export function isDatatype(word: unknown): word is Datatype {
  return typeof word === "string" && Object.hasOwn(datatypes, word);
}

/** The datatype that onnxruntime calls `onnxName`, or nothing (complex, …). */
export function datatypeOf(onnxName: string): Datatype | undefined {
  return byOnnxName.get(onnxName);
}
