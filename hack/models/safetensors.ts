/** Reads safetensors files: a length, a JSON header, the tensors' bytes. https://github.com/huggingface/safetensors */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

type Entry = {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
};

export class Weights {
  readonly #data: Buffer;
  readonly #entries: Readonly<Record<string, Entry>>;

  constructor(path: string) {
    const file = readFileSync(path);
    const end = 8 + Number(file.readBigUInt64LE());
    this.#entries = JSON.parse(file.toString("utf8", 8, end)) as Record<string, Entry>;
    this.#data = file.subarray(end);
  }

  /** A tensor of 32-bit floats, and its shape. */
  get(name: string): { readonly values: Float32Array<ArrayBuffer>; readonly shape: number[] } {
    const entry = this.#entries[name];
    assert(entry?.dtype === "F32", `there are no floats ${name}`);
    // Copied: the bytes need not be aligned in the file.
    const bytes = Uint8Array.from(this.#data.subarray(...entry.data_offsets));
    return { values: new Float32Array(bytes.buffer), shape: [...entry.shape] };
  }

  /** A matrix as MatMul wants it: its rows as columns. */
  transposed(name: string): {
    readonly values: Float32Array<ArrayBuffer>;
    readonly shape: number[];
  } {
    const { values, shape } = this.get(name);
    const [rows = 0, columns = 0] = shape;
    const turned = new Float32Array(values.length);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        turned[column * rows + row] = values[row * columns + column] ?? 0;
      }
    }
    return { values: turned, shape: [columns, rows] };
  }
}
