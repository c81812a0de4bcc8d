/** What readers of KServe's group look for beside Ready and PredictorReady. */
import type { InferenceService } from "../api/inferenceservice.gen.ts";
import { isOfKServe } from "../api/kserve.ts";
import { condition, type Verdict } from "./conditions.ts";
import type { View } from "./view.ts";

/** IngressReady is about the component that requests enter by; nothing for our own group. */
export function kserveConditions(
  isvc: InferenceService,
  entry: View | undefined,
): readonly Verdict[] {
  if (!isOfKServe(isvc)) {
    return [];
  }
  const routes = condition(entry?.service?.status?.conditions, "RoutesReady");
  const { status = "Unknown", reason = "", message = "" } = routes ?? {};
  const word = status === "True" || status === "False" ? status : "Unknown";
  return [
    {
      type: "IngressReady",
      status: word,
      reason: reason || (word === "True" ? "RouteReady" : "RouteNotReady"),
      message: message || (word === "True" ? "the route is ready" : "the route is not ready yet"),
    },
  ];
}
