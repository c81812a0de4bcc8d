/** Tiny models for tests, each with one quality that a server has to cope with. */
import { dataType, graph, model, node, sequenceValue, tensor, toBytes, value } from "./onnx.ts";
import type { DataType, Dim, Message } from "./onnx.ts";

/** y = x, of any type. */
export function identityModel(type: DataType, dims: readonly Dim[] = ["batch", "n"]): Uint8Array {
  return toBytes(
    model({
      name: "identity",
      nodes: [node("Identity", ["x"], ["y"])],
      inputs: [value("x", type, dims)],
      outputs: [value("y", type, dims)],
    }),
  );
}

/** The protocol's datatypes and ONNX's words for them. */
const everyType: readonly (readonly [name: string, type: DataType])[] = [
  ["BOOL", "BOOL"],
  ["UINT8", "UINT8"],
  ["UINT16", "UINT16"],
  ["UINT32", "UINT32"],
  ["UINT64", "UINT64"],
  ["INT8", "INT8"],
  ["INT16", "INT16"],
  ["INT32", "INT32"],
  ["INT64", "INT64"],
  ["FP16", "FLOAT16"],
  ["BF16", "BFLOAT16"],
  ["FP32", "FLOAT"],
  ["FP64", "DOUBLE"],
  ["BYTES", "STRING"],
];

/**
 * An input `in_X` [batch, n] and the same as output `out_X`, for each datatype X of the protocol.
 */
export function everyTypeModel(): Uint8Array {
  return toBytes(
    model({
      name: "every-type",
      nodes: everyType.map(([name]) => node("Identity", [`in_${name}`], [`out_${name}`])),
      inputs: everyType.map(([name, type]) => value(`in_${name}`, type, ["batch", "n"])),
      outputs: everyType.map(([name, type]) => value(`out_${name}`, type, ["batch", "n"])),
    }),
  );
}

/**
 * Counts to `trips` i64[1] and gives `count` i64[1]: some microseconds per trip, so that the client
 * says how long a run takes; 2^62 is for ever.
 */
export function countingModel(): Uint8Array {
  return countTo([value("trips", "INT64", [1])], []);
}

/** Gives `count` never, whatever `x` i64[1] is: not even the trial run at load comes back. */
export function endlessModel(): Uint8Array {
  const trips = tensor("trips", "INT64", [1], BigInt64Array.of(2n ** 62n));
  return countTo([value("x", "INT64", [1])], [trips]);
}

/** Of a loop that adds `one` to what it carries. */
function countingBody(): Message {
  return graph({
    name: "body",
    nodes: [
      node("Identity", ["going"], ["still_going"]),
      node("Add", ["before", "one"], ["after"]),
    ],
    inputs: [value("trip", "INT64", []), value("going", "BOOL", []), value("before", "INT64", [1])],
    outputs: [value("still_going", "BOOL", []), value("after", "INT64", [1])],
  });
}

function countTo(inputs: Message[], initializers: Message[]): Uint8Array {
  return toBytes(
    model({
      name: "counting",
      nodes: [node("Loop", ["trips", "", "zero"], ["count"], { body: { graph: countingBody() } })],
      inputs,
      outputs: [value("count", "INT64", [1])],
      initializers: [
        ...initializers,
        tensor("zero", "INT64", [1], BigInt64Array.of(0n)),
        tensor("one", "INT64", [1], BigInt64Array.of(1n)),
      ],
    }),
  );
}

/** Rows of a table: an id beyond its entries makes the run fail, and the batch with it. */
export function lookupModel(table: readonly number[] = [0, 10, 20, 30]): Uint8Array {
  return toBytes(
    model({
      name: "lookup",
      nodes: [node("Gather", ["table", "ids"], ["values"], { axis: 0 })],
      inputs: [value("ids", "INT64", ["batch", 1])],
      outputs: [value("values", "FLOAT", ["batch", 1])],
      initializers: [tensor("table", "FLOAT", [table.length], Float32Array.from(table))],
    }),
  );
}

/**
 * Gives 0 for the ids 0, and fails for any other by a fault of its own: clients are answered 500.
 */
export function failingModel(): Uint8Array {
  return toBytes(
    model({
      name: "failing",
      nodes: [
        node("SequenceConstruct", ["zeros"], ["list"]),
        node("ReduceMax", ["ids"], ["largest"], { keepdims: 0 }),
        node("SequenceAt", ["list", "largest"], ["values"]),
      ],
      inputs: [value("ids", "INT64", [1, 1])],
      outputs: [value("values", "FLOAT", [1, 1])],
      initializers: [tensor("zeros", "FLOAT", [1, 1], Float32Array.of(0))],
    }),
  );
}

/** A lookup that takes the longer the larger the largest id: `trips` turns of a loop for each. */
export function slowLookupModel(table: readonly number[], trips: number): Uint8Array {
  return toBytes(
    model({
      name: "slow-lookup",
      nodes: [
        node("ReduceMax", ["ids"], ["largest"], { keepdims: 0 }),
        node("Mul", ["largest", "per_id"], ["trips"]),
        node("Loop", ["trips", "", "zero"], ["count"], { body: { graph: countingBody() } }),
        node("Mul", ["count", "zero"], ["nothing"]),
        node("Add", ["ids", "nothing"], ["later"]),
        node("Gather", ["table", "later"], ["values"], { axis: 0 }),
      ],
      inputs: [value("ids", "INT64", ["batch", 1])],
      outputs: [value("values", "FLOAT", ["batch", 1])],
      initializers: [
        tensor("table", "FLOAT", [table.length], Float32Array.from(table)),
        tensor("per_id", "INT64", [], BigInt64Array.of(BigInt(trips))),
        tensor("zero", "INT64", [1], BigInt64Array.of(0n)),
        tensor("one", "INT64", [1], BigInt64Array.of(1n)),
      ],
    }),
  );
}

/** Says that dimension 0 is a batch, but every row depends on all: a softmax down the columns. */
export function falseBatchModel(dimension: string): Uint8Array {
  return toBytes(
    model({
      name: "false-batch",
      nodes: [node("Softmax", ["x"], ["y"], { axis: 0 })],
      inputs: [value("x", "FLOAT", [dimension, 2])],
      outputs: [value("y", "FLOAT", [dimension, 2])],
    }),
  );
}

/**
 * A token model by its inputs that forgets its mask: `mean` f32[batch] of the ids, padding and all.
 */
export function masklessModel(): Uint8Array {
  return toBytes(
    model({
      name: "maskless",
      nodes: [
        node("Add", ["input_ids", "attention_mask"], ["sums"]),
        node("Sub", ["sums", "attention_mask"], ["ids"]),
        node("Cast", ["ids"], ["numbers"], { to: dataType.FLOAT }),
        node("ReduceMean", ["numbers"], ["mean"], { axes: [1], keepdims: 0 }),
      ],
      inputs: ["input_ids", "attention_mask"].map((name) =>
        value(name, "INT64", ["batch", "sequence"]),
      ),
      outputs: [value("mean", "FLOAT", ["batch"])],
    }),
  );
}

/** Gives a tensor, and a sequence that the protocols can't carry. */
export function sequenceModel(): Uint8Array {
  return toBytes(
    model({
      name: "sequence",
      nodes: [node("SequenceConstruct", ["x"], ["list"]), node("Identity", ["x"], ["y"])],
      inputs: [value("x", "FLOAT", ["batch", 2])],
      outputs: [sequenceValue("list", "FLOAT"), value("y", "FLOAT", ["batch", 2])],
    }),
  );
}
