/** The models that the benchmarks serve, and requests for each. */
import { fileURLToPath } from "node:url";
import { cachedModel } from "../../models/cache.ts";
import { cachedDistilbert, distilbertModel } from "../../models/distilbert.ts";
import { cachedResnet } from "../../models/resnet.ts";
import { cachedSqueezenet } from "../../models/squeezenet.ts";

export type Workload = {
  readonly name: string;
  readonly path: string;
  readonly bodies: readonly Uint8Array[];
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Requests that go the same way in a fraction of the time, if there are such: to have served for
   * long in a short time. Contestants are then started anew for each round.
   */
  readonly quickBodies?: readonly Uint8Array[];
  /** How long one cell is measured. */
  readonly ms: number;
};

const sequence = 128;
/** The side of a picture. */
const side = 224;

/** The overhead of serving. */
export function iris(): Workload {
  return {
    name: "iris",
    path: fileURLToPath(new URL("../../../examples/iris/model/iris.onnx", import.meta.url)),
    bodies: [jsonBody([floats("input", [1, 4], [5.1, 3.5, 1.4, 0.2])])],
    ms: 1500,
  };
}

/** The weight of a model. */
export async function distilbert(): Promise<Workload> {
  return {
    name: "distilbert",
    path: await cachedDistilbert(),
    bodies: [tokenBody(sequence)],
    quickBodies: [tokenBody(2)],
    // Some 250 runs: of fewer, P99 is the second slowest.
    ms: 12_000,
  };
}

/** A large input, as bytes, and a run of some tens of milliseconds. */
export async function resnet(): Promise<Workload> {
  return { name: "resnet", path: await cachedResnet(), ...pictureRequest(), ms: 6000 };
}

/** The same input for a model that takes a few milliseconds: what a server can add to at worst. */
export async function squeezenet(): Promise<Workload> {
  return { name: "squeezenet", path: await cachedSqueezenet(), ...pictureRequest(), ms: 3000 };
}

/** A small token model, and requests of 8 to 128 tokens, short ones more often. */
export async function mixedTokens(): Promise<Workload> {
  const shape = { layers: 4, width: 256, heads: 4, inner: 1024, words: 30_522, positions: 512 };
  // The same lengths in every run: by xorshift32, the square making short ones more frequent.
  let state = 1;
  const bodies = Array.from({ length: 256 }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const part = (state >>> 0) / 2 ** 32;
    return tokenBody(Math.round(8 + 120 * part * part));
  });
  const path = await cachedModel("bert-small", () => distilbertModel(shape));
  return { name: "bert-small", path, bodies, ms: 4000 };
}

const all: Readonly<Record<string, () => Workload | Promise<Workload>>> = {
  iris,
  distilbert,
  resnet,
  squeezenet,
};

/** One of iris, distilbert, resnet and squeezenet. */
export async function workloadNamed(name: string): Promise<Workload> {
  const make = Object.hasOwn(all, name) ? all[name] : undefined;
  if (make === undefined) throw new Error(`no workload ${name}: ${Object.keys(all).join(", ")}`);
  return make();
}

/** A picture in 1×3×224×224 floating point numbers as bytes. */
function pictureRequest(): Pick<Workload, "bodies" | "headers"> {
  const pixels = Float32Array.from({ length: 3 * side * side }, (_, index) => (index % 255) / 255);
  const input = {
    name: "image",
    datatype: "FP32",
    shape: [1, 3, side, side],
    parameters: { binary_data_size: pixels.byteLength },
  };
  const head = JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } });
  return {
    bodies: [Buffer.concat([Buffer.from(head), new Uint8Array(pixels.buffer)])],
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(Buffer.byteLength(head)),
    },
  };
}

/** A request of so many tokens, none masked. */
export function tokenBody(length: number): Buffer {
  const tokens = Array.from({ length }, (_, index) => 1000 + ((index * 7919) % 28_000));
  const input = (name: string, data: number[]): object => ({
    name,
    shape: [1, length],
    datatype: "INT64",
    data,
  });
  return jsonBody([
    input("input_ids", tokens),
    input(
      "attention_mask",
      tokens.map(() => 1),
    ),
  ]);
}

function floats(name: string, shape: number[], data: number[]): object {
  return { name, shape, datatype: "FP32", data };
}

function jsonBody(inputs: readonly object[]): Buffer {
  return Buffer.from(JSON.stringify({ id: "bench-1", inputs }));
}
