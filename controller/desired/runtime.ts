/** Which runtime serves a model. One is built in; a table, so that the next is a row. */
import type { ModelSpec } from "../api/inferenceservice.gen.ts";
import type { Refusal } from "./refusal.ts";

export interface Runtime {
  readonly name: string;
  readonly formats: readonly string[];
  readonly protocols: readonly string[];
}

const RUNTIMES: readonly Runtime[] = [
  { name: "onnxruntime", formats: ["onnx"], protocols: ["v1", "v2"] },
];

/** The runtime that `model` names, or the first that supports its format and protocol. */
export function selectRuntime(model: ModelSpec): Runtime | Refusal {
  const known = RUNTIMES.map((runtime) => runtime.name).join(", ");
  const formats = RUNTIMES.flatMap((runtime) => runtime.formats).join(", ");
  const named = RUNTIMES.filter(
    (runtime) => model.runtime === undefined || runtime.name === model.runtime,
  );
  if (named.length === 0) {
    return {
      reason: "RuntimeNotFound",
      message: `spec.predictor.model.runtime "${model.runtime}" is not known; known: ${known}`,
    };
  }
  const fitting = named.filter((runtime) => runtime.formats.includes(model.modelFormat.name));
  if (fitting.length === 0) {
    return {
      reason: "NoSupportingRuntime",
      message:
        `no runtime serves spec.predictor.model.modelFormat.name "${model.modelFormat.name}"; ` +
        `supported: ${formats}. Convert the model to ONNX, or bring a server of your own in spec.predictor.containers`,
    };
  }
  const protocol = model.protocolVersion;
  const speaking = fitting.find(
    (runtime) => protocol === undefined || runtime.protocols.includes(protocol),
  );
  return (
    speaking ?? {
      reason: "ProtocolNotSupported",
      message:
        `runtime ${fitting[0]?.name} does not speak spec.predictor.model.protocolVersion "${protocol}"; ` +
        `use ${fitting[0]?.protocols.join(" or ")}`,
    }
  );
}
