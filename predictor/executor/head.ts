/**
 * PURE: the head of a frame: what the message says and how its tensors look. The two messages of
 * every run are binary, as writing and reading them as JSON costs several microseconds each; the
 * rare ones stay JSON. All numbers are little-endian.
 *   json  uint8 0 | JSON of the message
 *   run   uint8 1 | uint32 id | uint32 session | list of texts: outputs | list of tensors
 *   ran   uint8 2 | uint32 id | float64 ms | list of tensors
 * A list is its uint32 length and its elements, a text its uint32 length in bytes and UTF-8, a
 * tensor text name | uint8 datatype | list of float64 dimensions | uint32 bytes.
 */
import assert from "node:assert/strict";
import { datatypes } from "../protocol/datatypes.ts";
import type { Datatype } from "../protocol/datatypes.ts";
import { byteLengthOf } from "../protocol/tensor.ts";
import type { SentTensor, Tensor } from "../protocol/tensor.ts";
import type { Message } from "./messages.ts";

export type TensorHead = Omit<Tensor, "data"> & { readonly bytes: number };
export type Head = { readonly message: Message; readonly tensors: readonly TensorHead[] };

const kinds = { json: 0, run: 1, ran: 2 } as const;
const datatypeNames = Object.keys(datatypes) as Datatype[];
const datatypeNumbers = new Map(datatypeNames.map((name, number) => [name, number]));

/** A place to write heads to, reused: what write() returns is only good until the next call. */
export class HeadWriter {
  #buffer = Buffer.allocUnsafeSlow(4096);
  #at = 0;

  write(message: Message, tensors: readonly SentTensor[]): Buffer {
    this.#at = 0;
    if (message.type === "run") {
      this.#uint8(kinds.run);
      this.#uint32(message.id);
      this.#uint32(message.session);
      this.#uint32(message.outputs.length);
      for (const name of message.outputs) this.#text(name);
      this.#tensors(tensors);
    } else if (message.type === "ran") {
      this.#uint8(kinds.ran);
      this.#uint32(message.id);
      this.#float64(message.ms);
      this.#tensors(tensors);
    } else {
      assert(tensors.length === 0, `${message.type} carries no tensors`);
      this.#uint8(kinds.json);
      this.#utf8(JSON.stringify(message));
    }
    return this.#buffer.subarray(0, this.#at);
  }

  #tensors(tensors: readonly SentTensor[]): void {
    this.#uint32(tensors.length);
    for (const tensor of tensors) {
      const { name, datatype, shape } = tensor;
      this.#text(name);
      this.#uint8(datatypeNumbers.get(datatype) ?? 0);
      this.#uint32(shape.length);
      for (const dimension of shape) this.#float64(dimension);
      this.#uint32(byteLengthOf(tensor));
    }
  }

  #room(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#buffer.byteLength) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#at);
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    return at;
  }

  #uint8(value: number): void {
    const at = this.#room(1);
    this.#buffer[at] = value;
  }

  #uint32(value: number): void {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  #float64(value: number): void {
    const at = this.#room(8);
    this.#buffer.writeDoubleLE(value, at);
  }

  #text(value: string): void {
    const lengthAt = this.#room(4);
    this.#buffer.writeUInt32LE(this.#utf8(value), lengthAt);
  }

  #utf8(value: string): number {
    // No UTF-16 unit is more than three bytes; what isn't needed is given back.
    const at = this.#room(3 * value.length);
    const bytes = this.#buffer.write(value, at, "utf8");
    this.#at = at + bytes;
    return bytes;
  }
}

/** The head again. Only our own other half writes them: what it sent is of these types. */
export function readHead(bytes: Buffer): Head {
  return new HeadReader(bytes).head();
}

class HeadReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  head(): Head {
    const kind = this.#uint8();
    if (kind === kinds.run) {
      const [id, session] = [this.#uint32(), this.#uint32()];
      const outputs = this.#list(() => this.#text());
      return { message: { type: "run", id, session, outputs }, tensors: this.#tensors() };
    }
    if (kind === kinds.ran) {
      const message = { type: "ran", id: this.#uint32(), ms: this.#float64() } as const;
      return { message, tensors: this.#tensors() };
    }
    assert.equal(kind, kinds.json, "a frame of another version");
    const message = JSON.parse(this.#bytes.toString("utf8", this.#at)) as Message;
    return { message, tensors: [] };
  }

  #tensors(): TensorHead[] {
    return this.#list(() => {
      const name = this.#text();
      const datatype = datatypeNames[this.#uint8()];
      assert(datatype, "an unknown datatype in a frame");
      return { name, datatype, shape: this.#list(() => this.#float64()), bytes: this.#uint32() };
    });
  }

  #list<T>(read: () => T): T[] {
    const elements: T[] = [];
    for (let left = this.#uint32(); left > 0; left--) elements.push(read());
    return elements;
  }

  #uint8(): number {
    const value = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return value;
  }

  #uint32(): number {
    const value = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  #float64(): number {
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  #text(): string {
    const length = this.#uint32();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.toString("utf8", start, this.#at);
  }
}
