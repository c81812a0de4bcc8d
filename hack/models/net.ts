/** Builds a graph node by node, with weights that are random but always the same. */
import { node, tensor } from "./onnx.ts";
import type { Attribute, Message } from "./onnx.ts";

export class Net {
  readonly nodes: Message[] = [];
  readonly initializers: Message[] = [];
  #names = 0;
  #seed = 1;

  /** A node with one output, whose name it returns. */
  add(operator: string, inputs: string[], attributes: Record<string, Attribute> = {}): string {
    const name = `${operator}_${this.#names++}`;
    this.nodes.push(node(operator, inputs, [name], attributes));
    return name;
  }

  /** Gives a value a name that the graph promises. */
  rename(from: string, to: string): void {
    this.nodes.push(node("Identity", [from], [to]));
  }

  floats(values: Float32Array<ArrayBuffer>, dims: number[]): string {
    const name = `weight_${this.#names++}`;
    this.initializers.push(tensor(name, "FLOAT", dims, values));
    return name;
  }

  integers(values: bigint[], dims = [values.length]): string {
    const name = `constant_${this.#names++}`;
    this.initializers.push(tensor(name, "INT64", dims, BigInt64Array.from(values)));
    return name;
  }

  scalar = (number: number): string => this.floats(Float32Array.of(number), []);
  constant = (size: number, number: number): string =>
    this.floats(new Float32Array(size).fill(number), [size]);

  /** Uniform with a standard deviation of 0.02, by xorshift32. */
  random(dims: number[]): string {
    const values = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
    const scale = (0.02 * Math.sqrt(3)) / 2 ** 31;
    let state = (this.#seed++ * 2_654_435_761) | 0;
    for (let index = 0; index < values.length; index++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      values[index] = state * scale;
    }
    return this.floats(values, dims);
  }

  /** A fully connected layer. */
  linear(input: string, from: number, to: number): string {
    const product = this.add("MatMul", [input, this.random([from, to])]);
    return this.add("Add", [product, this.constant(to, 0)]);
  }

  /** A normalisation over the last dimension. */
  norm(input: string, width: number): string {
    const [scale, shift] = [this.constant(width, 1), this.constant(width, 0)];
    const attributes = { axis: -1, epsilon: { float: 1e-12 } };
    return this.add("LayerNormalization", [input, scale, shift], attributes);
  }
}
