/**
 * Which runtime the predictor is made from: what its Knative Service says. A stopped one has none,
 * and then the status is where the pin waits for the resume.
 */
import type { InferenceServiceStatus } from "../api/inferenceservice.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import { ANNOTATION_RUNTIME } from "../api/names.ts";
import { parsePin } from "../desired/runtime-pin.ts";

type RuntimeFields = Pick<
  InferenceServiceStatus,
  "runtime" | "servingRuntimeName" | "clusterServingRuntimeName"
>;

/**
 * Empty for a server of the user's own. The names stand once more where KServe has them.
 * `previous` is the status before; `stopped` whether the service is about to go, or has gone.
 */
export function runtimeStatus(
  service: KnativeService | undefined,
  previous: InferenceServiceStatus | undefined,
  stopped: boolean,
): RuntimeFields {
  const kept = previous?.runtime?.pin;
  // A resume that is refused makes no service either: the pin goes on waiting.
  const text = service === undefined ? kept : service.metadata.annotations?.[ANNOTATION_RUNTIME];
  const pin = parsePin(text);
  if (pin === undefined) {
    return {};
  }
  const { name, kind, digest } = pin.runtime;
  const waits = stopped || service === undefined;
  return {
    runtime: { name, kind, digest, ...(waits && text !== undefined ? { pin: text } : {}) },
    ...(kind === "ServingRuntime"
      ? { servingRuntimeName: name }
      : { clusterServingRuntimeName: name }),
  };
}
