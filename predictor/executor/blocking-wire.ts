/**
 * The child's end of the wire: it waits in the kernel for the next frame and nowhere else. A child
 * has nothing else to do, and what an event loop does around a read costs as much as a small run.
 */
import { readSync, writeSync } from "node:fs";
import { decodeFrame, encodeFrame } from "./frames.ts";
import type { Frame } from "./frames.ts";

const smallBytes = 65_536;
/** A larger buffer is given back after so many frames that wouldn't have needed it. */
const idleFramesMax = 64;

export class BlockingWire {
  readonly #fd: number;
  #buffer: Buffer = newBuffer(smallBytes);
  /** Where the frame that was read last ends, and where what was read ends. */
  #end = 0;
  #filled = 0;
  #idleFrames = 0;

  /** `fd` is a blocking stream socket or pipe. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Waits for the next frame; nothing when the other side has closed. The tensors of a frame are
   * views of a buffer that the next read overwrites.
   */
  read(): Frame | undefined {
    if (this.#end < this.#filled) this.#buffer.copyWithin(0, this.#end, this.#filled);
    this.#filled -= this.#end;
    this.#end = 0;
    if (!this.#fill(4)) return undefined;
    const end = 4 + this.#buffer.readUInt32LE(0);
    this.#fit(end);
    if (!this.#fill(end)) return undefined;
    this.#end = end;
    return decodeFrame(this.#buffer.subarray(4, end));
  }

  /** Writes a frame, and returns when the kernel has it. */
  write(frame: Frame): void {
    for (const chunk of encodeFrame(frame)) {
      for (let at = 0; at < chunk.byteLength;) at += writeSync(this.#fd, chunk, at);
    }
  }

  /** Reads until there are so many bytes; false when the stream ends before. */
  #fill(bytes: number): boolean {
    while (this.#filled < bytes) {
      const room = this.#buffer.byteLength - this.#filled;
      const read = readSync(this.#fd, this.#buffer, this.#filled, room, null);
      if (read === 0) return false;
      this.#filled += read;
    }
    return true;
  }

  /** Makes room for a frame of that length, or gives room back that was long not needed. */
  #fit(bytes: number): void {
    const room = this.#buffer.byteLength;
    this.#idleFrames = bytes > smallBytes && bytes > room / 4 ? 0 : this.#idleFrames + 1;
    const wasteful = room > smallBytes && this.#idleFrames > idleFramesMax;
    if (bytes <= room && !wasteful) return;
    const fitting = newBuffer(Math.max(smallBytes, bytes, this.#filled));
    this.#buffer.copy(fitting, 0, 0, this.#filled);
    this.#buffer = fitting;
    this.#idleFrames = 0;
  }
}

/** Memory of its own, aligned for every datatype. */
function newBuffer(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(bytes);
}
