/** The chunks of a body, put together while they come: each is copied once, and then freed. */
import { giveBack } from "../give-back.ts";

/** Never of a SharedArrayBuffer: tensors are views of it. */
export type Body = Buffer<ArrayBuffer>;

/** More than this isn't allocated because a client says that it will send so much. */
const trustedBytesMax = 1024 * 1024;

const nothing: Body = Buffer.alloc(0);

export class BodyBuffer {
  readonly #expected: number;
  #bytes: Body = nothing;
  #filled = 0;

  /** `expected` is the length that the client announced; NaN for none. */
  constructor(expected: number) {
    this.#expected = Math.min(expected, trustedBytesMax) || 0;
  }

  get byteLength(): number {
    return this.#filled;
  }

  /** Takes a chunk over: it must not be used afterwards. */
  add(chunk: Body): void {
    const filled = this.#filled + chunk.byteLength;
    if (this.#filled === 0 && filled >= this.#expected) {
      this.#bytes = chunk; // most bodies are one chunk
    } else {
      this.#reserve(filled);
      this.#bytes.set(chunk, this.#filled);
      giveBack(chunk);
    }
    this.#filled = filled;
  }

  /** What came. */
  whole(): Body {
    const all = this.#filled === this.#bytes.byteLength;
    return all ? this.#bytes : this.#bytes.subarray(0, this.#filled);
  }

  /** Forgets what came: nobody will want it. */
  clear(): void {
    this.#bytes = nothing;
    this.#filled = 0;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.byteLength) return;
    const room = Math.max(bytes, this.#expected, 2 * this.#filled);
    const larger = Buffer.allocUnsafeSlow(room);
    larger.set(this.whole());
    giveBack(this.#bytes);
    this.#bytes = larger;
  }
}
