/** What GET answers: the server's and the model's metadata in the protocols' words. */
import type { Signature, TensorSpec } from "./tensor.ts";

/** GET /v2. Extensions are listed once they are served, not before. */
export function serverMetadata(version: string): object {
  return { name: "pilotlight", version, extensions: [] };
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
