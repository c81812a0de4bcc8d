/**
 * The wire between the HTTP process and a process that holds sessions. A frame is
 *   uint32 length of the rest | uint32 length of the head | head | tensors' bytes
 * head and tensors each padded to 8 bytes, so that tensors lie aligned when the frame does.
 */
import assert from "node:assert/strict";
import type { Writable } from "node:stream";
import { systemClock } from "../batch/port.ts";
import type { Clock } from "../batch/port.ts";
import { byteLengthOf } from "../protocol/tensor.ts";
import type { Bytes, SentTensor, Tensor } from "../protocol/tensor.ts";
import { HeadWriter, readHead } from "./head.ts";
import type { Message } from "./messages.ts";

/** Well above any body limit: a longer frame is a broken stream, not a large tensor. */
const frameBytesMax = 0xffff_fff0;
/** Below this, copying into one buffer is cheaper than one more write. */
const copiedBytesMax = 65_536;
/** What is written in one turn of the loop: about a millisecond. */
const turnBytes = 1024 * 1024;

export type Frame = { readonly message: Message; readonly tensors: readonly Tensor[] };
/** A frame on its way out. */
export type SentFrame = { readonly message: Message; readonly tensors: readonly SentTensor[] };

const padded = (length: number): number => Math.ceil(length / 8) * 8;
const zeros = Buffer.alloc(8);
const heads = new HeadWriter();

/** The bytes of a frame: in one piece when it's small, else without copying the tensors. */
export function encodeFrame({ message, tensors }: SentFrame): Uint8Array[] {
  const head = heads.write(message, tensors);
  const headEnd = 8 + padded(head.byteLength);
  const total = tensors.reduce((sum, tensor) => sum + padded(byteLengthOf(tensor)), headEnd);
  assert(total <= frameBytesMax, "a frame is larger than 4 GB");
  const small = total <= copiedBytesMax;
  const first = Buffer.allocUnsafe(small ? total : headEnd);
  first.writeUInt32LE(total - 4, 0);
  first.writeUInt32LE(head.byteLength, 4);
  head.copy(first, 8);
  const chunks: Uint8Array[] = [first];
  let at = headEnd;
  const put = (piece: Uint8Array): void => {
    if (small) first.set(piece, at);
    else chunks.push(piece);
    at += piece.byteLength;
  };
  for (const { data } of tensors) {
    if (data instanceof Uint8Array) put(data);
    else for (const piece of data) put(piece);
    const gap = padded(at) - at;
    if (gap > 0) put(zeros.subarray(0, gap));
  }
  return chunks;
}

/**
 * Writes frames without waiting for them to leave. The kernel takes as fast as the other side
 * reads, so that one write of 5 MB would keep the event loop for 5 ms: of a large frame, a turn of
 * the loop writes a part.
 */
export class FrameWriter {
  readonly #socket: Writable;
  readonly #clock: Pick<Clock, "soon">;
  #waiting: Uint8Array[] = [];

  constructor(socket: Writable, clock: Pick<Clock, "soon"> = systemClock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** Frames leave in the order of these calls. */
  write(frame: SentFrame): void {
    const chunks = encodeFrame(frame);
    const [only] = chunks;
    const isIdle = this.#waiting.length === 0;
    if (isIdle && only !== undefined && chunks.length === 1) {
      this.#socket.write(only);
      return;
    }
    this.#waiting.push(...chunks);
    if (isIdle) this.#turn();
  }

  #turn(): void {
    const socket = this.#socket;
    if (this.#waiting.length > 1) socket.cork();
    for (let room = turnBytes; room > 0;) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) break;
      socket.write(chunk.subarray(0, room));
      if (chunk.byteLength > room) this.#waiting.unshift(chunk.subarray(room));
      room -= chunk.byteLength;
    }
    socket.uncork();
    if (this.#waiting.length === 0) return;
    if (socket.destroyed) this.#waiting = [];
    else this.#clock.soon(() => this.#turn());
  }
}

/** Puts the frames of a stream together again. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private wanted = 4;

  /** The frames that the chunk completes. A frame in many chunks is copied once, at its end. */
  push(chunk: Buffer): Frame[] {
    this.chunks.push(chunk);
    this.bytes += chunk.byteLength;
    const frames: Frame[] = [];
    while (this.bytes >= this.wanted) {
      const data = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
      assert(data);
      const end = 4 + data.readUInt32LE(0);
      if (data.byteLength >= end) frames.push(decodeFrame(data.subarray(4, end)));
      const rest = data.byteLength >= end ? data.subarray(end) : data;
      this.chunks = rest.byteLength === 0 ? [] : [rest];
      this.bytes = rest.byteLength;
      this.wanted = rest.byteLength >= 4 ? 4 + rest.readUInt32LE(0) : 4;
    }
    return frames;
  }
}

/** A frame without its first word. Its tensors are views of the bytes given. */
export function decodeFrame(frame: Buffer): Frame {
  const headLength = frame.readUInt32LE(0);
  const head = readHead(frame.subarray(4, 4 + headLength));
  let at = 4 + padded(headLength);
  const tensors = head.tensors.map(({ name, datatype, shape, bytes }) => {
    const data = frame.subarray(at, at + bytes) as Bytes;
    at += padded(bytes);
    return { name, datatype, shape, data };
  });
  return { message: head.message, tensors };
}
