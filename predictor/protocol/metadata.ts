/** What GET answers: the server's and the model's metadata in the protocols' words. */
import type { Signature, TensorSpec } from "./tensor.ts";

/** Triton's names for what is served beyond the protocol's core. */
const extensions = [
  "binary_tensor_data",
  "generate",
  "model_configuration",
  "parameters",
  "schedule_policy",
  "statistics",
] as const;

export type ServerMetadata = {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
};

/** GET /v2. The repository is an extension only where an administration's port is open. */
export function serverMetadata(version: string, repository = false): ServerMetadata {
  const all = repository ? [...extensions, "model_repository"] : extensions;
  return { name: "pilotlight", version, extensions: all };
}

/** GET /v2/models/M. Unknown dimensions are -1. */
export function modelMetadata(
  name: string,
  versions: readonly string[],
  signature: Signature,
): object {
  const describe = ({ name: tensor, datatype, shape }: TensorSpec): object => ({
    name: tensor,
    datatype,
    shape,
  });
  return {
    name,
    versions,
    platform: "onnx_onnxv1",
    inputs: signature.inputs.map(describe),
    outputs: signature.outputs.map(describe),
  };
}
