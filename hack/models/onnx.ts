/**
 * Writes ONNX models by hand, so that no Python is needed to make those of examples, tests and
 * benchmarks. Only the few fields of onnx.proto that these use; onnxruntime checks the rest.
 * Source of the field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

/** A protobuf message in pieces, so that weights of hundreds of megabytes are never copied. */
export type Message = { readonly chunks: readonly Uint8Array[]; readonly length: number };

/** TensorProto.DataType. */
export const dataType = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
} as const;
export type DataType = keyof typeof dataType;

/** A whole number is INT, a list of them INTS; `float` and `graph` say what they are. */
export type Attribute = number | readonly number[] | { float: number } | { graph: Message };

/** A dimension: a number, or the name of one that is only known at run time. */
export type Dim = number | string;

const utf8 = new TextEncoder();

function join(parts: readonly Message[]): Message {
  const chunks = parts.flatMap((part) => part.chunks);
  return { chunks, length: parts.reduce((sum, part) => sum + part.length, 0) };
}

function bytes(chunk: Uint8Array): Message {
  return { chunks: [chunk], length: chunk.byteLength };
}

function varint(value: number | bigint): Message {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return bytes(Uint8Array.from([...out, Number(rest)]));
}

const int = (field: number, value: number | bigint): Message =>
  join([varint(field << 3), varint(value)]);
const nested = (field: number, message: Message): Message =>
  join([varint((field << 3) | 2), varint(message.length), message]);
const text = (field: number, value: string): Message => nested(field, bytes(utf8.encode(value)));
const float32 = (field: number, value: number): Message =>
  join([
    varint((field << 3) | 5),
    bytes(new Uint8Array(Float32Array.of(value).buffer)), // every Node platform is little-endian
  ]);

function attribute(name: string, value: Attribute): Message {
  if (typeof value === "number") return join([text(1, name), int(3, value), int(20, 2)]);
  if ("float" in value) return join([text(1, name), float32(2, value.float), int(20, 1)]);
  if ("graph" in value) return join([text(1, name), nested(6, value.graph), int(20, 5)]);
  return join([text(1, name), ...value.map((each) => int(8, each)), int(20, 7)]);
}

/** NodeProto; give the operator as `domain:Op` when it isn't of the default domain. */
export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Message {
  return join([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) => nested(5, attribute(name, value))),
  ]);
}

/** TensorProto with raw little-endian data: an initializer. */
export function tensor(
  name: string,
  type: DataType,
  dims: readonly number[],
  data: ArrayBufferView<ArrayBuffer>,
): Message {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return join([
    ...dims.map((dim) => int(1, dim)),
    int(2, dataType[type]),
    text(8, name),
    nested(9, bytes(raw)),
  ]);
}

function tensorType(type: DataType, dims: readonly Dim[]): Message {
  const shape = dims.map((dim) =>
    nested(1, typeof dim === "number" ? int(1, dim) : dim === "" ? join([]) : text(2, dim)),
  );
  return nested(1, join([int(1, dataType[type]), nested(2, join(shape))]));
}

/** ValueInfoProto of a tensor: an input or output of a graph. A dimension "" is free and nameless. */
export function value(name: string, type: DataType, dims: readonly Dim[]): Message {
  return join([text(1, name), nested(2, tensorType(type, dims))]);
}

/** ValueInfoProto of a sequence of tensors, which the protocols can't carry. */
export function sequenceValue(name: string, type: DataType): Message {
  return join([text(1, name), nested(2, nested(4, nested(1, tensorType(type, []))))]);
}

export type Graph = {
  name: string;
  nodes: readonly Message[];
  inputs: readonly Message[];
  outputs: readonly Message[];
  initializers?: readonly Message[];
};

/** GraphProto, for a model or for the body of a Loop or If. */
export function graph(given: Graph): Message {
  return join([
    ...given.nodes.map((each) => nested(1, each)),
    text(2, given.name),
    ...(given.initializers ?? []).map((each) => nested(5, each)),
    ...given.inputs.map((each) => nested(11, each)),
    ...given.outputs.map((each) => nested(12, each)),
  ]);
}

/** ModelProto: IR version 8, operator set 17, which every onnxruntime since 1.12 loads. */
export function model(given: Graph): Message {
  return join([
    int(1, 8),
    text(2, "pilotlight"),
    nested(7, graph(given)),
    nested(8, join([text(1, ""), int(2, 17)])),
  ]);
}

/** The message as one piece; for small models. */
export function toBytes(message: Message): Uint8Array {
  return new Uint8Array(Buffer.concat(message.chunks, message.length));
}
