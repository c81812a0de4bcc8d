/** Which runtime the predictor is made from: what its Knative Service says, and nothing else. */
import type { InferenceServiceStatus } from "../api/inferenceservice.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import { ANNOTATION_RUNTIME } from "../api/names.ts";
import { parsePin } from "../desired/runtime-pin.ts";

type RuntimeFields = Pick<
  InferenceServiceStatus,
  "runtime" | "servingRuntimeName" | "clusterServingRuntimeName"
>;

/** Empty for a server of the user's own. The names stand once more where KServe has them. */
export function runtimeStatus(service: KnativeService | undefined): RuntimeFields {
  const pin = parsePin(service?.metadata.annotations?.[ANNOTATION_RUNTIME]);
  if (pin === undefined) {
    return {};
  }
  const { name, kind, digest } = pin.runtime;
  return {
    runtime: { name, kind, digest },
    ...(kind === "ServingRuntime"
      ? { servingRuntimeName: name }
      : { clusterServingRuntimeName: name }),
  };
}
