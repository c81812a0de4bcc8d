/**
 * The wire between the HTTP process and the process that holds the sessions. A frame is
 *   uint32 length of the rest | uint32 length of the header | header: JSON | tensors' bytes
 * each part padded to 8 bytes, so that tensors lie aligned when the frame does.
 */
import assert from "node:assert/strict";
import type { Writable } from "node:stream";
import type { Datatype } from "../protocol/datatypes.ts";
import type { Bytes, Tensor } from "../protocol/tensor.ts";
import type { Message } from "./messages.ts";

/** Well above any body limit: a longer frame is a broken stream, not a large tensor. */
const frameBytesMax = 0xffff_fff0;
/** Below this, copying into one buffer is cheaper than one more write. */
const copiedBytesMax = 65_536;

export type Frame = { readonly message: Message; readonly tensors: readonly Tensor[] };

type TensorHead = [name: string, datatype: Datatype, shape: readonly number[], bytes: number];
type Header = { m: Message; t: TensorHead[] };

const padded = (length: number): number => (length + 7) & ~7;
const zeros = Buffer.alloc(8);

/** Writes a frame: in one piece when it's small, else without copying the tensors. */
export function writeFrame(socket: Writable, { message, tensors }: Frame): void {
  const heads = tensors.map(({ name, datatype, shape, data }): TensorHead => [
    name,
    datatype,
    shape,
    data.byteLength,
  ]);
  const header = Buffer.from(JSON.stringify({ m: message, t: heads } satisfies Header));
  const headerEnd = 8 + padded(header.byteLength);
  const total = tensors.reduce((sum, { data }) => sum + padded(data.byteLength), headerEnd);
  assert(total <= frameBytesMax, "a frame is larger than 4 GB");
  const small = total <= copiedBytesMax;
  const first = Buffer.allocUnsafe(small ? total : headerEnd);
  first.writeUInt32LE(total - 4, 0);
  first.writeUInt32LE(header.byteLength, 4);
  header.copy(first, 8);
  if (small) {
    let at = headerEnd;
    for (const { data } of tensors) {
      first.set(data, at);
      at += padded(data.byteLength);
    }
    socket.write(first);
    return;
  }
  socket.cork();
  socket.write(first);
  for (const { data } of tensors) {
    socket.write(data);
    const gap = padded(data.byteLength) - data.byteLength;
    if (gap > 0) socket.write(zeros.subarray(0, gap));
  }
  socket.uncork();
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

function decodeFrame(frame: Buffer): Frame {
  const headerLength = frame.readUInt32LE(0);
  // Only our own other half writes here: what it sent is of these types.
  const header = JSON.parse(frame.toString("utf8", 4, 4 + headerLength)) as Header;
  let at = 4 + padded(headerLength);
  const tensors = header.t.map(([name, datatype, shape, bytes]) => {
    const data = frame.subarray(at, at + bytes) as Bytes;
    at += padded(bytes);
    return { name, datatype, shape, data };
  });
  return { message: header.m, tensors };
}
