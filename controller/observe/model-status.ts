/**
 * The model's state in KServe's words (kserve v1beta1 ModelStatus), except that zero replicas of a
 * loaded model count as Loaded.
 */
import type { ModelStatus } from "../api/inferenceservice.gen.ts";
import { revisionTrouble } from "./trouble.ts";
import type { Judgement } from "./verdicts.ts";
import type { View } from "./view.ts";

/** `ready` and `latest` are the predictor's. */
export function modelStatus(view: View, ready: Judgement, latest: Judgement): ModelStatus {
  const { trouble } = view;
  const failed = view.newestPods.filter((pod) => revisionTrouble([pod], undefined)).length;
  const running = view.newestPods.some((pod) => pod.status?.phase === "Running");
  const target =
    latest.status === "True"
      ? "Loaded"
      : trouble?.fatal === true
        ? "FailedToLoad"
        : running
          ? "Loading"
          : "Pending";
  return {
    transitionStatus: transition(view, latest),
    states: {
      ...(ready.status === "True" ? { activeModelState: "Loaded" as const } : {}),
      targetModelState: target,
    },
    ...(trouble === undefined || view.newest === undefined
      ? {}
      : {
          lastFailureInfo: {
            reason: trouble.reason,
            message: trouble.message,
            modelRevisionName: view.newest,
            ...(trouble.exitCode === undefined ? {} : { exitCode: trouble.exitCode }),
          },
        }),
    copies: { failedCopies: failed, totalCopies: view.newestPods.length },
  };
}

function transition(
  { refusal, trouble }: View,
  latest: Judgement,
): NonNullable<ModelStatus["transitionStatus"]> {
  if (refusal !== undefined) {
    return "InvalidSpec";
  }
  if (latest.status === "True") {
    return "UpToDate";
  }
  return trouble?.fatal === true ? "BlockedByFailedLoad" : "InProgress";
}
