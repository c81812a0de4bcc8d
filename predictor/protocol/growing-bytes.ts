/** Bytes that come in pieces, in one piece in the end. */
import type { Bytes } from "./tensor.ts";

/** What a second piece makes room for, at least. */
const roomMin = 256;

export class GrowingBytes {
  #bytes: Bytes = new Uint8Array();
  #length = 0;
  /** The only piece so far is still the caller's own. */
  #borrowed = false;

  /** A piece alone isn't copied; many small ones cost no more than their bytes. */
  add(piece: Bytes): void {
    const length = this.#length + piece.byteLength;
    if (this.#length === 0) {
      this.#bytes = piece;
      this.#borrowed = true;
    } else {
      if (this.#borrowed || length > this.#bytes.byteLength) this.#grow(length);
      this.#bytes.set(piece, this.#length);
    }
    this.#length = length;
  }

  whole(): Bytes {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(length: number): void {
    const larger = new Uint8Array(Math.max(2 * length, roomMin));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#borrowed = false;
  }
}
