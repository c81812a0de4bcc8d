/**
 * PURE: two statuses in a row → the Events between them. An Event is published when something
 * happened, not while it lasts.
 */
import type { InferenceServiceStatus } from "../api/inferenceservice.gen.ts";
import type { EventNote } from "../cluster.ts";
import { condition } from "./conditions.ts";

/** The conditions whose changes people want to see in `kubectl describe`. */
const TOLD = ["Ready", "LatestDeploymentReady"] as const;

export function happenings(
  previous: InferenceServiceStatus | undefined,
  next: InferenceServiceStatus,
): readonly EventNote[] {
  const notes = TOLD.flatMap((type) => {
    const before = condition(previous?.conditions, type);
    const after = condition(next.conditions, type);
    if (
      after === undefined ||
      (before?.status === after.status && before.reason === after.reason)
    ) {
      return [];
    }
    // What is still under way is told when it ends.
    if (after.status === "Unknown") {
      return [];
    }
    const note: EventNote = {
      type: after.status === "True" ? "Normal" : "Warning",
      reason: after.reason ?? type,
      message: after.message ?? "",
    };
    return [note];
  });
  // Both conditions often change for one cause.
  return notes.filter(
    (note, at) =>
      notes.findIndex(
        ({ reason, message }) => reason === note.reason && message === note.message,
      ) === at,
  );
}
