/**
 * PURE: bfloat16 at a model's borders. onnxruntime's Node binding can neither give a model such
 * tensors nor take them. A model is widened: its inputs and outputs of bfloat16 are of float32,
 * which holds each of them exactly, and a Cast stands between those and the graph, which is as it
 * was (docs/decisions/0020).
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { decodeMessage, encodeMessage, Reader, Writer } from "../protocol/protobuf.ts";
import type { Message, MessageType } from "../protocol/protobuf.ts";
import type { Bytes } from "../protocol/tensor.ts";

export type Widened = {
  readonly model: Bytes;
  /** What the model calls its tensors of bfloat16, and the widened model. */
  readonly names: ReadonlyMap<string, string>;
};

const modelGraph = 7;
const graphFields = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const tensorName = 8;
const elements = { float: 1, bfloat16: 16 } as const;
const attributeInt = 2;

const tensorType: MessageType = {
  elem_type: { id: 1, type: "int" },
  shape: { id: 2, type: "bytes" },
};
const valueInfo: MessageType = {
  name: { id: 1, type: "string" },
  type: { id: 2, type: { tensor_type: { id: 1, type: tensorType } } },
};
const attribute: MessageType = {
  name: { id: 1, type: "string" },
  i: { id: 3, type: "long" },
  type: { id: 20, type: "int" },
};
const nodes: MessageType = {
  node: {
    id: graphFields.node,
    repeated: true,
    type: {
      input: { id: 1, type: "string", repeated: true },
      output: { id: 2, type: "string", repeated: true },
      op_type: { id: 4, type: "string" },
      attribute: { id: 5, type: attribute, repeated: true },
    },
  },
};

/**
 * The model so widened; nothing when it has no bfloat16 at its borders. Throws ServingError
 * `invalid` for what is no model.
 */
export function widenBFloat16(model: Bytes): Widened | undefined {
  const names = new Map<string, string>();
  const writer = new Writer();
  for (const { id, wireType, value } of fieldsOf(model)) {
    if (id === modelGraph) writer.nested(id, widenGraph(bodyOf(value), names));
    else put(writer, { id, wireType, value });
  }
  if (names.size === 0) return undefined;
  return { model: Buffer.concat(writer.chunks()), names };
}

function widenGraph(graph: Bytes, names: Map<string, string>): Uint8Array[] {
  const fields = [...fieldsOf(graph)];
  const weights = new Set(
    fields.filter(({ id }) => id === graphFields.initializer).map(({ value }) => nameOf(value)),
  );
  const writer = new Writer();
  const [before, after]: [Message[], Message[]] = [[], []];
  const kept = new Writer();
  for (const field of fields) {
    const isInput = field.id === graphFields.input;
    const border = isInput || field.id === graphFields.output ? borderOf(field.value) : undefined;
    if (border === undefined || (isInput && weights.has(border.name))) {
      put(kept, field);
      continue;
    }
    const wide = `${border.name}/float32`;
    names.set(border.name, wide);
    kept.nested(field.id, valueOf({ ...border, name: wide }));
    if (isInput) before.push(cast(wide, border.name, elements.bfloat16));
    else after.push(cast(border.name, wide, elements.float));
  }
  // A node comes after those whose outputs it takes.
  for (const chunk of encodeMessage(nodes, { node: before })) writer.push(chunk);
  for (const chunk of kept.chunks()) writer.push(chunk);
  for (const chunk of encodeMessage(nodes, { node: after })) writer.push(chunk);
  return writer.chunks();
}

type Border = { readonly name: string; readonly shape: unknown };

/** Of a ValueInfoProto of bfloat16. */
function borderOf(value: Bytes): Border | undefined {
  const { name, type } = decodeMessage(valueInfo, bodyOf(value));
  const tensor = (type as Message | undefined)?.["tensor_type"] as Message | undefined;
  if (tensor?.["elem_type"] !== elements.bfloat16) return undefined;
  return { name: String(name), shape: tensor["shape"] };
}

function valueOf({ name, shape }: Border): Uint8Array[] {
  const tensor = { elem_type: elements.float, shape };
  return encodeMessage(valueInfo, { name, type: { tensor_type: tensor } });
}

function cast(from: string, to: string, type: number): Message {
  const attributes = [{ name: "to", i: BigInt(type), type: attributeInt }];
  return { input: [from], output: [to], op_type: "Cast", attribute: attributes };
}

/** Of a TensorProto, without looking at its elements. */
function nameOf(tensor: Bytes): string {
  for (const { id, value } of fieldsOf(bodyOf(tensor))) {
    if (id === tensorName) return Buffer.from(bodyOf(value)).toString();
  }
  return "";
}

type RawField = {
  readonly id: number;
  readonly wireType: number;
  /** As it lies there, its length before it where it has one. */
  readonly value: Bytes;
};

function* fieldsOf(message: Bytes): Generator<RawField> {
  const reader = new Reader(message);
  while (!reader.done) {
    const tag = Number(reader.varint());
    yield { id: tag >>> 3, wireType: tag & 7, value: reader.raw(tag & 7) };
  }
}

const bodyOf = (value: Bytes): Bytes => new Reader(value).bytes();

function put(writer: Writer, { id, wireType, value }: RawField): void {
  writer.tag(id, wireType);
  writer.push(value);
}
