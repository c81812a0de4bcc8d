/**
 * The model's state in KServe's words (kserve v1beta1 ModelStatus), except that zero replicas of a
 * loaded model count as Loaded.
 */
import type { ModelStatus } from "../api/inferenceservice.gen.ts";
import { lookup } from "../lookup.ts";
import { revisionTrouble } from "./trouble.ts";
import type { Judgement } from "./verdicts.ts";
import type { View } from "./view.ts";

export interface ModelObservation {
  readonly view: View;
  /** The predictor's judgements. */
  readonly ready: Judgement;
  readonly latest: Judgement;
  readonly previous: ModelStatus | undefined;
  /** RFC 3339. */
  readonly now: string;
}

/** KServe's words for why (v1beta1 FailureReason); ours, which say more, stand in the conditions. */
const KSERVE_REASONS: Readonly<Record<string, string>> = {
  ModelNotFound: "ModelLoadFailed",
  StorageAccessDenied: "ModelLoadFailed",
  StorageUnavailable: "ModelLoadFailed",
  ModelLoadFailed: "ModelLoadFailed",
  NoSupportingRuntime: "NoSupportingRuntime",
  ProtocolNotSupported: "NoSupportingRuntime",
  RuntimeNotFound: "RuntimeNotRecognized",
  RuntimeDisabled: "RuntimeDisabled",
};

export function modelStatus(observation: ModelObservation): ModelStatus {
  const { view, ready, latest } = observation;
  const { trouble } = view;
  const failed = view.newestPods.filter((pod) => revisionTrouble([pod], undefined)).length;
  const running = view.newestPods.some((pod) => pod.status?.phase === "Running");
  const target =
    view.stopped === true
      ? "Standby"
      : latest.status === "True"
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
    ...failure(observation),
    copies: { failedCopies: failed, totalCopies: view.newestPods.length },
  };
}

/** A refusal counts: nothing of this generation was tried. */
function failure({ view, previous, now }: ModelObservation): Pick<ModelStatus, "lastFailureInfo"> {
  const { refusal, trouble, newest } = view;
  if (refusal === undefined && (trouble === undefined || newest === undefined)) {
    return {};
  }
  const ours = refusal?.reason ?? trouble?.reason ?? "";
  const found = {
    reason:
      lookup(KSERVE_REASONS, ours) ??
      (refusal === undefined ? "RuntimeUnhealthy" : "InvalidPredictorSpec"),
    message: refusal?.message ?? trouble?.message ?? "",
    ...(refusal !== undefined || newest === undefined ? {} : { modelRevisionName: newest }),
    ...(refusal !== undefined || trouble?.location === undefined
      ? {}
      : { location: trouble.location }),
    ...(refusal !== undefined || trouble?.exitCode === undefined
      ? {}
      : { exitCode: trouble.exitCode }),
  };
  const before = previous?.lastFailureInfo;
  const same = before?.reason === found.reason && before.message === found.message;
  return { lastFailureInfo: { ...found, time: (same ? before.time : undefined) ?? now } };
}

function transition(
  { refusal, trouble, stopped }: View,
  latest: Judgement,
): NonNullable<ModelStatus["transitionStatus"]> {
  if (refusal !== undefined) {
    return "InvalidSpec";
  }
  if (latest.status === "True" || stopped === true) {
    return "UpToDate";
  }
  return trouble?.fatal === true ? "BlockedByFailedLoad" : "InProgress";
}
