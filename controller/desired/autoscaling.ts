/**
 * A component's scaling fields → Knative's annotations (knative.dev/serving
 * pkg/apis/autoscaling/register.go).
 */
import { AUTOSCALING_GROUP as GROUP, autoscalingValues } from "./autoscaling-values.ts";
import type { ComponentExtension } from "./component.ts";

/**
 * Annotations for the revision template. A field wins over one of the user's annotations with the
 * same meaning (`annotated`), which in turn wins over what is so by default. `minReplicas` is that
 * of a component which names none.
 */
export function autoscalingAnnotations(
  extension: ComponentExtension,
  minReplicas: number,
  annotated: Readonly<Record<string, string>>,
): Record<string, string> {
  const { maxReplicas, scaleMetric, scaleTarget } = extension;
  const stated = autoscalingValues(annotated);
  const least = extension.minReplicas ?? stated["min-scale"] ?? minReplicas;
  return {
    // The class that can scale to zero, whatever the cluster's default is.
    [`${GROUP}/class`]: stated["class"] ?? `kpa.${GROUP}`,
    [`${GROUP}/min-scale`]: String(least),
    ...(maxReplicas !== undefined && maxReplicas > 0
      ? { [`${GROUP}/max-scale`]: String(maxReplicas) }
      : {}),
    ...(scaleMetric === undefined ? {} : { [`${GROUP}/metric`]: scaleMetric }),
    ...(scaleTarget === undefined ? {} : { [`${GROUP}/target`]: String(scaleTarget) }),
  };
}
