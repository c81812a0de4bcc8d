/** A model of a chosen size: its weights are real, and what it answers says which model it is. */
import { dataType, model, node, tensor, toBytes, value } from "./onnx.ts";

const columns = 16;

/**
 * y f32[batch,16] = x f32[batch,1] times a row of weights that all are `factor`, taken from a table
 * of about `bytes`; so every byte has to be in memory, and a run takes microseconds.
 */
export function weightyModel(bytes: number, factor: number): Uint8Array {
  const rows = Math.max(1, Math.ceil(bytes / 4 / columns));
  const table = new Float32Array(rows * columns).fill(factor);
  return toBytes(
    model({
      name: "weighty",
      nodes: [
        // An index that is only known at run time, or the table would be folded into one row.
        node("Sub", ["x", "x"], ["zero"]),
        node("Cast", ["zero"], ["at"], { to: dataType.INT64 }),
        node("Gather", ["table", "at"], ["rows"], { axis: 0 }),
        node("Reshape", ["rows", "shape"], ["row"]),
        node("Mul", ["x", "row"], ["y"]),
      ],
      inputs: [value("x", "FLOAT", ["batch", 1])],
      outputs: [value("y", "FLOAT", ["batch", columns])],
      initializers: [
        tensor("table", "FLOAT", [rows, columns], table),
        tensor("shape", "INT64", [2], BigInt64Array.of(-1n, BigInt(columns))),
      ],
    }),
  );
}
