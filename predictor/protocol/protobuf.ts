/**
 * Protocol Buffers' wire format, for messages that a table describes. Written here because of the
 * tensors: a library makes an array of numbers of what is already the tensor's bytes, and 64-bit
 * integers need a third one. https://protobuf.dev/programming-guides/encoding/
 */
import { invalid } from "../errors.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { withLength } from "./tensor.ts";
import type { Bytes } from "./tensor.ts";

/** Of the numbers, `int` is a number, `long` and `ulong` a bigint. */
export type Scalar = "string" | "bytes" | "bool" | "int" | "long" | "ulong" | "double" | Gathered;

/**
 * Repeated fields that hold a tensor's elements, all in one piece: `fixed` are floats or doubles,
 * little-endian; `varints` are numbers as they are on the wire; `elements` are bytes, each with its
 * length before it as in a BYTES tensor.
 */
export type Gathered = "fixed" | "varints" | "elements";

export type Field = {
  readonly id: number;
  readonly type: Scalar | MessageType;
  readonly repeated?: true;
  /** One of several, of which the one that is there is the choice: written although it is zero. */
  readonly choice?: true;
};

/** Fields by name. A map is a repeated message of `key` and `value`, as on the wire. */
export type MessageType = { readonly [name: string]: Field };

export type Message = { readonly [name: string]: unknown };

export const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const depthMax = 16;
/** What a message may hold beside the elements of its tensors: each takes a hundred bytes. */
const valuesMax = 100_000;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A message's fields; those that aren't there are absent. Throws ServingError `invalid`. */
export function decodeMessage(type: MessageType, bytes: Bytes): Message {
  return decodeWithin(type, bytes, { depth: 0, budget: { values: valuesMax } });
}

type Within = { readonly depth: number; readonly budget: { values: number } };

function decodeWithin(type: MessageType, bytes: Bytes, within: Within): Message {
  if (within.depth > depthMax) throw invalid("the message is nested too deep");
  const fields = new Map(Object.entries(type).map(([name, field]) => [field.id, { name, field }]));
  const message: Record<string, unknown> = {};
  const gathered = new Map<string, GrowingBytes>();
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = Number(reader.varint());
    const [known, wireType] = [fields.get(tag >>> 3), tag & 7];
    if (known !== undefined && isGathered(known.field.type)) {
      gather(reader, { ...known, type: known.field.type, wireType }, gathered);
      continue;
    }
    spend(within);
    if (known === undefined) reader.skip(wireType);
    else readField(reader, { ...known, wireType, within }, message);
  }
  for (const [name, pieces] of gathered) message[name] = pieces.whole();
  return message;
}

/** Throws when the message has more values than any that makes sense. */
function spend({ budget }: Within): void {
  if (--budget.values >= 0) return;
  throw invalid(`the message has more than ${valuesMax} values beside its tensors' elements`);
}

const isGathered = (type: Field["type"]): type is Gathered =>
  type === "fixed" || type === "varints" || type === "elements";

type Gathering = { readonly name: string; readonly type: Gathered; readonly wireType: number };

/** Elements packed into one field, or a field each: readers must take both. */
function gather(
  reader: Reader,
  { name, type, wireType }: Gathering,
  gathered: Map<string, GrowingBytes>,
): void {
  let pieces = gathered.get(name);
  if (pieces === undefined) gathered.set(name, (pieces = new GrowingBytes()));
  if (type === "elements") {
    if (wireType !== wire.bytes) throw broken();
    pieces.add(withLength(reader.bytes()));
  } else if (wireType === wire.bytes) {
    pieces.add(reader.bytes());
  } else {
    pieces.add(type === "varints" ? reader.varintBytes(wireType) : reader.fixed(wireType));
  }
}

type Place = {
  readonly name: string;
  readonly field: Field;
  readonly wireType: number;
  readonly within: Within;
};

function readField(reader: Reader, place: Place, message: Record<string, unknown>): void {
  const { name, field, wireType, within } = place;
  if (field.repeated !== true) {
    message[name] = readValue(reader, place);
    return;
  }
  const list = (message[name] ??= []) as unknown[];
  const packed = wireType === wire.bytes && isVarint(field.type);
  if (!packed) {
    list.push(readValue(reader, place));
    return;
  }
  const inner = new Reader(reader.bytes());
  while (!inner.done) {
    spend(within);
    list.push(readValue(inner, { ...place, wireType: wire.varint }));
  }
}

const isVarint = (type: Field["type"]): boolean =>
  type === "bool" || type === "int" || type === "long" || type === "ulong";

function readValue(reader: Reader, { field: { type }, wireType, within }: Place): unknown {
  const expected = isVarint(type) ? wire.varint : type === "double" ? wire.fixed64 : wire.bytes;
  if (wireType !== expected) throw broken();
  if (typeof type === "object") {
    return decodeWithin(type, reader.bytes(), { ...within, depth: within.depth + 1 });
  }
  if (type === "bytes") return reader.bytes();
  if (type === "string") return text(reader.bytes());
  if (type === "double") {
    const eight = reader.fixed(wireType);
    return new DataView(eight.buffer, eight.byteOffset).getFloat64(0, true);
  }
  const value = reader.varint();
  if (type === "bool") return BigInt(value) !== 0n;
  if (type === "ulong") return BigInt.asUintN(64, BigInt(value));
  const signed = BigInt.asIntN(64, BigInt(value));
  return type === "long" ? signed : Number(signed);
}

function text(bytes: Bytes): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw invalid("a string in the message is not valid UTF-8");
  }
}

/** The fault of bytes that are not what they should be. */
export function broken(): Error {
  return invalid("the message is no valid protocol buffer");
}

export class Reader {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.byteLength;
  }

  /** Unsigned, of up to 64 bits: a number while it is exact. */
  varint(): number | bigint {
    let value = 0;
    for (let index = 0; index < 7; index++) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return value;
    }
    let long = BigInt(value);
    for (let index = 7; index < 10; index++) {
      const byte = this.#byte();
      long |= BigInt(byte & 127) << BigInt(7 * index);
      if (byte < 128) return BigInt.asUintN(64, long);
    }
    throw broken();
  }

  /** A varint as it is. */
  varintBytes(wireType: number): Bytes {
    if (wireType !== wire.varint) throw broken();
    const start = this.#at;
    this.varint();
    return this.#bytes.subarray(start, this.#at);
  }

  /** A view of as many bytes as are announced. */
  bytes(): Bytes {
    return this.#take(Number(this.varint()));
  }

  fixed(wireType: number): Bytes {
    if (wireType === wire.fixed32) return this.#take(4);
    if (wireType === wire.fixed64) return this.#take(8);
    throw broken();
  }

  /** A field's value as it lies there, its length before it where it has one. */
  raw(wireType: number): Bytes {
    const start = this.#at;
    this.skip(wireType);
    return this.#bytes.subarray(start, this.#at);
  }

  skip(wireType: number): void {
    if (wireType === wire.varint) this.varint();
    else if (wireType === wire.bytes) this.bytes();
    else this.fixed(wireType);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw broken();
    return byte;
  }

  #take(length: number): Bytes {
    const end = this.#at + length;
    if (end > this.#bytes.byteLength) throw broken();
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}

/** A message in pieces: what is bytes already is not copied. What is absent is left out. */
export function encodeMessage(type: MessageType, message: Message): Uint8Array[] {
  const writer = new Writer();
  for (const [name, field] of Object.entries(type)) {
    const value = message[name];
    if (value === undefined) continue;
    if (field.repeated !== true) writeValue(writer, field, value, field.choice === true);
    else for (const each of value as readonly unknown[]) writeValue(writer, field, each, true);
  }
  return writer.chunks();
}

function writeValue(writer: Writer, { id, type }: Field, value: unknown, inList: boolean): void {
  if (typeof type === "object") {
    writer.nested(id, encodeMessage(type, value as Message));
  } else if (type === "string" || type === "bytes" || isGathered(type)) {
    const bytes = typeof value === "string" ? encoder.encode(value) : (value as Uint8Array);
    // In a list, an empty element is one nevertheless.
    if (bytes.byteLength > 0 || inList) writer.nested(id, [bytes]);
  } else if (type === "double") {
    writer.tag(id, wire.fixed64);
    writer.push(new Uint8Array(Float64Array.of(value as number).buffer));
  } else if (inList || Number(value) !== 0) {
    writer.tag(id, wire.varint);
    writer.varint(BigInt(value as number | bigint | boolean));
  }
}

/** Puts the pieces of a message in a row. */
export class Writer {
  readonly #chunks: Uint8Array[] = [];
  #small: number[] = [];

  tag(id: number, wireType: number): void {
    this.varint(BigInt((id << 3) | wireType));
  }

  varint(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    for (; rest > 127n; rest >>= 7n) this.#small.push(Number(rest & 127n) | 128);
    this.#small.push(Number(rest));
  }

  push(chunk: Uint8Array): void {
    this.#flush();
    this.#chunks.push(chunk);
  }

  nested(id: number, chunks: readonly Uint8Array[]): void {
    this.tag(id, wire.bytes);
    this.varint(BigInt(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)));
    for (const chunk of chunks) this.push(chunk);
  }

  chunks(): Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  #flush(): void {
    if (this.#small.length === 0) return;
    this.#chunks.push(Uint8Array.from(this.#small));
    this.#small = [];
  }
}
