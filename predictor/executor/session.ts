/**
 * An onnxruntime session in this room's own words. onnxruntime-node is loaded here and nowhere else:
 * its run() and create() block the thread, and native faults end the process.
 */
import assert from "node:assert/strict";
import type { InferenceSession } from "onnxruntime-node";
import { datatypeOf, datatypes } from "../protocol/datatypes.ts";
import { packStrings, unpackStrings, viewOf } from "../protocol/tensor.ts";
import { importBinding, withNative } from "./native.ts";
import { createOptions } from "./session-options.ts";
import type { SessionOptions } from "./session-options.ts";
import type { Bytes, Signature, Tensor, TensorSpec } from "../protocol/tensor.ts";

type Runtime = typeof import("onnxruntime-node");

export type Session = {
  readonly signature: Signature;
  /** Outputs left out because they are no tensors of the protocol (maps, sequences, bfloat16). */
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
  const create = async (): Promise<InferenceSession> =>
    runtime.InferenceSession.create(options.path, createOptions(options));
  const { created: session, native } = await withNative(await importBinding(), create);
  const signature = {
    inputs: session.inputMetadata.map((metadata) => {
      const spec = specOf(metadata);
      if (spec === undefined) throw new Error(`input ${metadata.name} is of an unsupported type`);
      return spec;
    }),
    outputs: session.outputMetadata.flatMap((metadata) => specOf(metadata) ?? []),
  };
  if (signature.outputs.length === 0) throw new Error("the model has no tensor output");
  const served = new Set(signature.outputs.map((spec) => spec.name));
  return {
    signature,
    skipped: session.outputNames.filter((name) => !served.has(name)),
    release: async () => session.release(),
    fast: native !== undefined,
    run: async (inputs, outputs) => {
      const feeds: Record<string, RuntimeTensor> = {};
      for (const input of inputs) feeds[input.name] = toRuntime(runtime, input);
      // Naming the fetches keeps non-tensor outputs out, which run() refuses to return.
      const results =
        native === undefined
          ? await session.run(feeds, outputs)
          : native.run(feeds, fetchesOf(outputs), {});
      return outputs.map((name) => {
        const result = results[name];
        assert(result, `onnxruntime left out ${name}`);
        return fromRuntime(name, result);
      });
    },
  };
}

function fetchesOf(outputs: readonly string[]): Record<string, null> {
  const fetches: Record<string, null> = {};
  for (const name of outputs) fetches[name] = null;
  return fetches;
}

function specOf(metadata: InferenceSession.ValueMetadata): TensorSpec | undefined {
  if (!metadata.isTensor) return undefined;
  const datatype = datatypeOf(metadata.type);
  if (datatype === undefined) return undefined;
  return {
    name: metadata.name,
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
  return new constructor(datatypes[tensor.datatype].onnx, elementsOf(tensor), tensor.shape);
}

function elementsOf({ datatype, data }: Tensor): unknown {
  if (datatype === "BYTES") return unpackStrings(data);
  return viewOf({ datatype: datatype === "FP16" ? "UINT16" : datatype, data });
}

function fromRuntime(name: string, tensor: RuntimeTensor): Tensor {
  const datatype = datatypeOf(tensor.type);
  assert(datatype, `onnxruntime returned a ${tensor.type}`);
  const { data } = tensor;
  return { name, datatype, shape: tensor.dims, data: bytesOf(data as Elements) };
}

type Elements = readonly string[] | ArrayBufferView<ArrayBuffer>;

function bytesOf(elements: Elements): Bytes {
  if (!ArrayBuffer.isView(elements)) return packStrings(elements);
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}
