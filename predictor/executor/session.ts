/**
 * An onnxruntime session in this room's own words. onnxruntime-node is loaded here and nowhere else:
 * its run() and create() block the thread, and native faults end the process.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import { messageOf } from "../errors.ts";
import { narrow } from "../protocol/bfloat16.ts";
import { datatypeOf, datatypes } from "../protocol/datatypes.ts";
import type { Datatype } from "../protocol/datatypes.ts";
import { numbersOf, packStrings, unpackStrings, viewOf } from "../protocol/tensor.ts";
import { widenBFloat16 } from "./bfloat16-model.ts";
import { importBinding, withNative } from "./native.ts";
import { createOptions } from "./session-options.ts";
import type { SessionOptions } from "./session-options.ts";
import type { Bytes, Signature, Tensor, TensorSpec } from "../protocol/tensor.ts";

type Runtime = typeof import("onnxruntime-node");

export type Session = {
  readonly signature: Signature;
  /** Outputs left out because they are no tensors of the protocol (maps, sequences). */
  readonly skipped: readonly string[];
  /** Runs go straight to the native library. */
  readonly fast: boolean;
  /** Blocks the thread while the model computes. */
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]>;
  release(): Promise<void>;
};

/** onnxruntime's native library; takes tens of milliseconds, so that it can be called early. */
export async function importRuntime(): Promise<Runtime> {
  const imported = await import("onnxruntime-node");
  const runtime = (imported as { default?: Runtime }).default ?? imported;
  useHalfWords(runtime);
  return runtime;
}

/**
 * The native half of onnxruntime-node 1.30 knows no Float16Array and reads one as empty. The other
 * half decides with its first tensor, once, which array float16 has: it must not find one then.
 */
function useHalfWords(runtime: Runtime): void {
  const found = Object.getOwnPropertyDescriptor(globalThis, "Float16Array");
  if (found === undefined) return;
  Reflect.deleteProperty(globalThis, "Float16Array");
  void new runtime.Tensor("bool", Uint8Array.of(0), [1]);
  Object.defineProperty(globalThis, "Float16Array", found);
}

/** Loads a model. Throws what onnxruntime says, or what of the model the protocol can't express. */
export async function openSession(runtime: Runtime, options: SessionOptions): Promise<Session> {
  const { created: session, native, inner } = await create(runtime, options);
  const outer = new Map([...inner].map(([name, wide]) => [wide, name]));
  const signature = {
    inputs: session.inputMetadata.map((metadata) => {
      const spec = specOf(metadata, outer);
      if (spec === undefined) throw new Error(`input ${metadata.name} is of an unsupported type`);
      return spec;
    }),
    outputs: session.outputMetadata.flatMap((metadata) => specOf(metadata, outer) ?? []),
  };
  if (signature.outputs.length === 0) throw new Error("the model has no tensor output");
  const served = new Set(signature.outputs.map((spec) => spec.name));
  const named = session.outputNames.map((name) => outer.get(name) ?? name);
  const within = (name: string): string => inner.get(name) ?? name;
  return {
    signature,
    skipped: named.filter((name) => !served.has(name)),
    release: async () => session.release(),
    fast: native !== undefined,
    run: async (inputs, outputs) => {
      const feeds: Record<string, RuntimeTensor> = {};
      for (const input of inputs) feeds[within(input.name)] = toRuntime(runtime, input);
      const fetched = outputs.map(within);
      // Naming the fetches keeps non-tensor outputs out, which run() refuses to return.
      const results =
        native === undefined
          ? await session.run(feeds, fetched)
          : native.run(feeds, fetchesOf(fetched), {});
      return outputs.map((name) => {
        const result = results[within(name)];
        assert(result, `onnxruntime left out ${name}`);
        return fromRuntime(name, result, inner.has(name) ? "BF16" : datatypeOf(result.type));
      });
    },
  };
}

type Created = Awaited<ReturnType<typeof withNative<InferenceSession>>> & {
  /** The session's names of the model's tensors of bfloat16: see bfloat16-model.ts. */
  readonly inner: ReadonlyMap<string, string>;
};

async function create(runtime: Runtime, options: SessionOptions): Promise<Created> {
  const { path } = options;
  const binding = await importBinding();
  try {
    const open = async (): Promise<InferenceSession> =>
      runtime.InferenceSession.create(path, createOptions(options));
    return { ...(await withNative(binding, open)), inner: new Map() };
  } catch (error) {
    if (!refusesBFloat16(error)) throw error;
    const widened = widenBFloat16(await readFile(path));
    if (widened === undefined) throw error;
    const { model, names } = widened;
    const open = async (): Promise<InferenceSession> =>
      runtime.InferenceSession.create(model, createOptions(options, dirname(path)));
    return { ...(await withNative(binding, open)), inner: names };
  }
}

/** onnxruntime-node's words for a number of TensorProto.DataType that it knows no array for. */
function refusesBFloat16(error: unknown): boolean {
  return messageOf(error).includes("Unsupported data type: 16");
}

function fetchesOf(outputs: readonly string[]): Record<string, null> {
  const fetches: Record<string, null> = {};
  for (const name of outputs) fetches[name] = null;
  return fetches;
}

/** `outer` has the model's own names of those that were widened. */
function specOf(
  metadata: InferenceSession.ValueMetadata,
  outer: ReadonlyMap<string, string>,
): TensorSpec | undefined {
  if (!metadata.isTensor) return undefined;
  const name = outer.get(metadata.name);
  const datatype = name === undefined ? datatypeOf(metadata.type) : "BF16";
  if (datatype === undefined) return undefined;
  return {
    name: name ?? metadata.name,
    datatype,
    shape: metadata.shape.map((dimension) => (typeof dimension === "number" ? dimension : -1)),
    dimensionNames: metadata.shape.map((each) => (typeof each === "string" ? each : "")),
  };
}

type RuntimeTensor = InstanceType<Runtime["Tensor"]>;
type TensorConstructor = new (
  type: string,
  data: unknown,
  dims: readonly number[],
) => RuntimeTensor;

function toRuntime(runtime: Runtime, tensor: Tensor): RuntimeTensor {
  const constructor = runtime.Tensor as unknown as TensorConstructor;
  const type = tensor.datatype === "BF16" ? "float32" : datatypes[tensor.datatype].onnx;
  return new constructor(type, elementsOf(tensor), tensor.shape);
}

function elementsOf({ datatype, data }: Tensor): unknown {
  if (datatype === "BYTES") return unpackStrings(data);
  if (datatype === "BF16") return numbersOf({ datatype, data });
  return viewOf({ datatype: datatype === "FP16" ? "UINT16" : datatype, data });
}

function fromRuntime(name: string, tensor: RuntimeTensor, datatype: Datatype | undefined): Tensor {
  assert(datatype, `onnxruntime returned a ${tensor.type}`);
  const { data } = tensor;
  const elements = datatype === "BF16" ? narrow(data as Float32Array) : (data as Elements);
  return { name, datatype, shape: tensor.dims, data: bytesOf(elements) };
}

type Elements = readonly string[] | ArrayBufferView<ArrayBuffer>;

function bytesOf(elements: Elements): Bytes {
  if (!ArrayBuffer.isView(elements)) return packStrings(elements);
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}
