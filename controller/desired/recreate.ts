/**
 * Strategy Recreate, for devices of which there is no second: the new revision takes over before it
 * has a pod. Knative calls it ready without one (initial-scale 0), routes to it, and takes the old
 * one's pods away, which nothing reaches any more; requests wait in the activator meanwhile.
 */
import type { RolloutSpec } from "../api/inferenceservice.gen.ts";
import type { ComponentRequest } from "./component.ts";

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
