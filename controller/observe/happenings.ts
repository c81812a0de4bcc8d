/**
 * PURE: two statuses in a row → the Events between them. An Event is published when something
 * happened, not while it lasts.
 */
import type { Condition, InferenceServiceStatus } from "../api/inferenceservice.gen.ts";
import type { EventNote } from "../cluster.ts";
import { condition } from "./conditions.ts";
import { shortDigest } from "./digests.ts";

/** The conditions whose changes people want to see in `kubectl describe`. */
const TOLD = ["Ready", "LatestDeploymentReady", "Stopped", "RolloutComplete", "Warning"] as const;

export function happenings(
  previous: InferenceServiceStatus | undefined,
  next: InferenceServiceStatus,
): readonly EventNote[] {
  const notes: EventNote[] = TOLD.flatMap((type) => {
    const before = condition(previous?.conditions, type);
    const after = condition(next.conditions, type);
    if (after === undefined || !isNews(before, after)) {
      return [];
    }
    // What is still under way is told when it ends.
    if (after.status === "Unknown") {
      return [];
    }
    // What its owner stopped is no failure.
    const fine = after.reason === "Stopped" || (after.status === "True" && type !== "Warning");
    const note: EventNote = {
      type: fine ? "Normal" : "Warning",
      reason: after.reason ?? type,
      message: after.message ?? "",
    };
    return [note];
  });
  notes.push(...steps(previous, next), ...replaced(previous, next));
  // Several conditions often change for one cause.
  return notes.filter(
    (note, at) =>
      notes.findIndex(
        ({ reason, message }) => reason === note.reason && message === note.message,
      ) === at,
  );
}

/**
 * Whether something happened between two looks at a condition. The same complaint about another
 * generation is about something else when its words are: an edit that mends one field and spoils
 * the next.
 */
function isNews(before: Condition | undefined, after: Condition): boolean {
  if (before?.status !== after.status || before.reason !== after.reason) {
    return true;
  }
  const complains = after.status === "False" || after.type === "Warning";
  return (
    complains &&
    before.message !== after.message &&
    before.observedGeneration !== after.observedGeneration
  );
}

/** A rollout's steps: what is under way for long is worth an Event at each. */
function steps(
  previous: InferenceServiceStatus | undefined,
  next: InferenceServiceStatus,
): readonly EventNote[] {
  const [before, after] = [previous?.rollout, next.rollout];
  const begun = after?.since !== undefined && after.phase === "Progressing";
  if (after === undefined || !begun || before?.since === after.since) {
    return [];
  }
  const message = `revision ${after.revision ?? "?"}, step ${after.step ?? 1} of ${after.steps ?? 1}: ${after.percent ?? 0} %`;
  return [{ type: "Normal", reason: "RolloutStep", message }];
}

/** Revisions that serve something else than before, though nobody asked for another one. */
function replaced(
  previous: InferenceServiceStatus | undefined,
  next: InferenceServiceStatus,
): readonly EventNote[] {
  // What a stop took along may have had the name of a revision that was made since.
  const present = (status: typeof previous) =>
    (status?.history ?? []).filter(({ outcome }) => outcome !== "Stopped");
  const known = present(previous);
  return present(next).flatMap(({ revision, modelDigest }) => {
    const entry = known.find((one) => one.revision === revision);
    const before = entry?.modelDigest;
    return before === undefined || modelDigest === undefined || before === modelDigest
      ? []
      : [
          {
            type: "Normal",
            reason: "ModelReplaced",
            message: `revision ${revision} serves other contents of its storageUri than before: ${shortDigest(before)}, now ${shortDigest(modelDigest)}`,
          },
        ];
  });
}
