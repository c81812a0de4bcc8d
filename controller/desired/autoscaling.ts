/**
 * spec.predictor's scaling fields → Knative's annotations (knative.dev/serving
 * pkg/apis/autoscaling/register.go).
 */
import type { ComponentExtension } from "./component.ts";

const GROUP = "autoscaling.knative.dev";

/**
 * Annotations for the revision template. Ours always wins over one of the user's with the same key.
 * `minReplicas` is that of a component which names none.
 */
export function autoscalingAnnotations(
  extension: ComponentExtension,
  minReplicas: number,
): Record<string, string> {
  const { maxReplicas, scaleMetric, scaleTarget } = extension;
  return {
    // The class that can scale to zero, whatever the cluster's default is.
    [`${GROUP}/class`]: `kpa.${GROUP}`,
    [`${GROUP}/min-scale`]: String(extension.minReplicas ?? minReplicas),
    ...(maxReplicas !== undefined && maxReplicas > 0
      ? { [`${GROUP}/max-scale`]: String(maxReplicas) }
      : {}),
    ...(scaleMetric === undefined ? {} : { [`${GROUP}/metric`]: scaleMetric }),
    ...(scaleTarget === undefined ? {} : { [`${GROUP}/target`]: String(scaleTarget) }),
  };
}
