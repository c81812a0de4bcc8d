/**
 * The model configuration extension: what a client of Triton asks before it sends batches.
 * https://github.com/triton-inference-server/server: docs/protocol/extension_model_configuration.md
 */
import type { Signature, TensorSpec } from "./tensor.ts";

/** How requests are joined; absent when the model's aren't. */
export type Batching = { readonly sizeMax: number; readonly latencyMs: number };

export type ModelConfig = {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly max_batch_size: number;
  readonly input: readonly ConfigTensor[];
  readonly output: readonly ConfigTensor[];
  readonly dynamic_batching?: {
    readonly preferred_batch_size: readonly number[];
    readonly max_queue_delay_microseconds: number;
  };
};

export type ConfigTensor = {
  readonly name: string;
  readonly data_type: string;
  readonly dims: readonly number[];
};

/** With batching, `dims` leave the batch out: so Triton writes it. */
export function modelConfig(
  name: string,
  signature: Signature,
  batching: Batching | undefined,
): ModelConfig {
  const describe = ({ name: tensor, datatype, shape }: TensorSpec): ConfigTensor => ({
    name: tensor,
    data_type: datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`,
    dims: batching === undefined ? shape : shape.slice(1),
  });
  const config = {
    name,
    platform: "onnxruntime_onnx",
    backend: "onnxruntime",
    max_batch_size: batching?.sizeMax ?? 0,
    input: signature.inputs.map(describe),
    output: signature.outputs.map(describe),
  };
  if (batching === undefined) return config;
  const max_queue_delay_microseconds = Math.round(batching.latencyMs * 1000);
  return {
    ...config,
    dynamic_batching: { preferred_batch_size: [], max_queue_delay_microseconds },
  };
}
