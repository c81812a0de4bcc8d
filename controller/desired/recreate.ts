/**
 * Strategy Recreate, for devices of which there is no second: the new revision takes over before it
 * has a pod. Knative calls it ready without one (initial-scale 0), routes to it, and takes the old
 * one's pods away, which nothing reaches any more; requests wait in the activator meanwhile.
 */
import type { InferenceService, RolloutSpec } from "../api/inferenceservice.gen.ts";
import type { ComponentRequest } from "./component.ts";
import type { ClusterFacts } from "./facts.ts";
import { patch } from "./preflight.ts";
import type { Refusal } from "./refusal.ts";

/** `request` as the strategy wants it. The annotation is not the user's to override. */
export function recreated(
  request: ComponentRequest,
  rollout: RolloutSpec | undefined,
): ComponentRequest {
  if (rollout?.strategy !== "Recreate") {
    return request;
  }
  const { extension } = request;
  const annotations = { ...extension.annotations, "autoscaling.knative.dev/initial-scale": "0" };
  return { ...request, extension: { ...extension, annotations } };
}

/**
 * Knative calls a revision with a minimum of pods ready only when it has them, and would keep the
 * old one's until then. The new revision's pod waits for the place of the old one's. To Knative a pod that has no place is
 * a failed revision, unless it is told otherwise: then the route would never leave the old one.
 */
export function recreateForbidden(
  { spec }: InferenceService,
  facts: ClusterFacts,
  minReplicasUnlessTold: number,
): Refusal | undefined {
  const { rollout, minReplicas = minReplicasUnlessTold } = spec.predictor;
  if (rollout?.strategy !== "Recreate") {
    return undefined;
  }
  if (minReplicas > 0) {
    return {
      reason: "InvalidSpec",
      message:
        "spec.predictor.minReplicas must be 0 with rollout.strategy Recreate: a revision that must have a pod would wait for the " +
        "device of the old one, and the old one for it",
    };
  }
  if (facts.deployment?.podIsAlwaysSchedulable !== false) {
    return undefined;
  }
  const fix = { "pod-is-always-schedulable": "true" };
  return {
    reason: "PodMustBeSchedulable",
    message:
      "spec.predictor.rollout.strategy Recreate lets the new pod wait for the place of the old one, which this cluster's Knative " +
      `takes for a failure; to allow: ${patch(facts, "config-deployment", fix)}`,
  };
}
