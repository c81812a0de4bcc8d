/** Bytes that come in pieces, in one piece in the end. */
import type { Bytes } from "./tensor.ts";

/** What a second piece makes room for, at least. */
const roomMin = 256;

export class GrowingBytes {
  #bytes: Bytes = new Uint8Array();
  #length = 0;

  /**
   * A piece alone isn't copied: it has no room for another one, and stays as it is. Many small ones
   * cost no more than their bytes.
   */
  add(piece: Bytes): void {
    const length = this.#length + piece.byteLength;
    if (this.#length === 0) {
      this.#bytes = piece;
    } else {
      if (length > this.#bytes.byteLength) this.#grow(length);
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
  }
}
