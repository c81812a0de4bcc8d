/**
 * spec.predictor's scaling fields → Knative's annotations (knative.dev/serving
 * pkg/apis/autoscaling/register.go).
 */
import type { PredictorSpec } from "../api/inferenceservice.gen.ts";

const GROUP = "autoscaling.knative.dev";

/**
 * Annotations for the revision template. Ours always wins over one of the user's with the same key.
 */
export function autoscalingAnnotations(predictor: PredictorSpec): Record<string, string> {
  const { maxReplicas, scaleMetric, scaleTarget } = predictor;
  return {
    // The class that can scale to zero, whatever the cluster's default is.
    [`${GROUP}/class`]: `kpa.${GROUP}`,
    [`${GROUP}/min-scale`]: String(predictor.minReplicas ?? 0),
    ...(maxReplicas !== undefined && maxReplicas > 0
      ? { [`${GROUP}/max-scale`]: String(maxReplicas) }
      : {}),
    ...(scaleMetric === undefined ? {} : { [`${GROUP}/metric`]: scaleMetric }),
    ...(scaleTarget === undefined ? {} : { [`${GROUP}/target`]: String(scaleTarget) }),
  };
}
