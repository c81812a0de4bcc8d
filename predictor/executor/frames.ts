/**
 * The wire between the HTTP process and a process that holds sessions. A frame is
 *   uint32 length of the rest | uint32 length of the head | head | tensors' bytes
 * head and tensors each padded to 8 bytes, so that tensors lie aligned when the frame does.
 */
import assert from "node:assert/strict";
import type { Writable } from "node:stream";
import type { Bytes, Tensor } from "../protocol/tensor.ts";
import { HeadWriter, readHead } from "./head.ts";
import type { Message } from "./messages.ts";

/** Well above any body limit: a longer frame is a broken stream, not a large tensor. */
const frameBytesMax = 0xffff_fff0;
/** Below this, copying into one buffer is cheaper than one more write. */
const copiedBytesMax = 65_536;

export type Frame = { readonly message: Message; readonly tensors: readonly Tensor[] };

const padded = (length: number): number => Math.ceil(length / 8) * 8;
const zeros = Buffer.alloc(8);
const heads = new HeadWriter();

/** The bytes of a frame: in one piece when it's small, else without copying the tensors. */
export function encodeFrame({ message, tensors }: Frame): Uint8Array[] {
  const head = heads.write(message, tensors);
  const headEnd = 8 + padded(head.byteLength);
  const total = tensors.reduce((sum, { data }) => sum + padded(data.byteLength), headEnd);
  assert(total <= frameBytesMax, "a frame is larger than 4 GB");
  const small = total <= copiedBytesMax;
  const first = Buffer.allocUnsafe(small ? total : headEnd);
  first.writeUInt32LE(total - 4, 0);
  first.writeUInt32LE(head.byteLength, 4);
  head.copy(first, 8);
  const chunks: Uint8Array[] = [first];
  let at = headEnd;
  for (const { data } of tensors) {
    if (small) first.set(data, at);
    else {
      chunks.push(data);
      const gap = padded(data.byteLength) - data.byteLength;
      if (gap > 0) chunks.push(zeros.subarray(0, gap));
    }
    at += padded(data.byteLength);
  }
  return chunks;
}

/** Writes a frame without waiting for it to leave. */
export function writeFrame(socket: Writable, frame: Frame): void {
  const chunks = encodeFrame(frame);
  if (chunks.length > 1) socket.cork();
  for (const chunk of chunks) socket.write(chunk);
  if (chunks.length > 1) socket.uncork();
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
