/** What a status says about rollouts: which revision is stable, and where the new one is. */
import type {
  ComponentStatus,
  InferenceService,
  InferenceServiceStatus,
  RolloutStatus,
} from "../api/inferenceservice.gen.ts";
import type { ComponentName } from "../api/names.ts";
import type { Verdict } from "./conditions.ts";

/** What was decided about a component (rollout/roll-out.ts). */
export interface Rolled {
  readonly lineage: { readonly stable?: string; readonly previous?: string };
  readonly rollout?: RolloutStatus;
  /** Whether it is given another template now, and so will make a revision. */
  readonly changed?: boolean;
}

/** KServe's words for the stable revision and the one before; as they were when nothing is known. */
export function lineageStatus(
  isvc: InferenceService,
  component: ComponentName,
  rolled: Rolled | undefined,
): ComponentStatus {
  if (rolled === undefined) {
    const all: Partial<Record<ComponentName, ComponentStatus>> = isvc.status?.components ?? {};
    const { latestRolledoutRevision, previousRolledoutRevision } = all[component] ?? {};
    return {
      ...(latestRolledoutRevision === undefined ? {} : { latestRolledoutRevision }),
      ...(previousRolledoutRevision === undefined ? {} : { previousRolledoutRevision }),
    };
  }
  const { stable, previous } = rolled.lineage;
  return {
    ...(stable === undefined ? {} : { latestRolledoutRevision: stable }),
    ...(previous === undefined ? {} : { previousRolledoutRevision: previous }),
  };
}

/** status.rollout; of a refused spec, what was there. */
export function rolloutStatus(
  isvc: InferenceService,
  { rolled }: { readonly rolled?: { readonly predictor?: Rolled } },
): Pick<InferenceServiceStatus, "rollout"> {
  const rollout = rolled === undefined ? isvc.status?.rollout : rolled.predictor?.rollout;
  return rollout === undefined ? {} : { rollout };
}

/** RolloutComplete: whether the newest revision has taken over; absent without a rollout. */
export function rolloutVerdict(rollout: RolloutStatus | undefined): readonly Verdict[] {
  if (rollout === undefined) {
    return [];
  }
  const { phase, reason = "Unknown", message = "" } = rollout;
  const status = phase === "Promoted" ? "True" : phase === "RolledBack" ? "False" : "Unknown";
  const said = phase === "RolledBack" ? `rolled back: ${message}` : message;
  return [{ type: "RolloutComplete", status, reason, message: said }];
}

/** kstatus: a rollout is under way, or was given up and somebody has to change something. */
export function abnormalRollout(rollout: RolloutStatus | undefined): Verdict | undefined {
  const { phase, reason = "Unknown", message = "" } = rollout ?? {};
  switch (phase) {
    case "Progressing":
      return { type: "Reconciling", status: "True", reason, message };
    case "RolledBack":
      return {
        type: "Stalled",
        status: "True",
        reason: "RolledBack",
        message: `rolled back to ${rollout?.stableRevision ?? "the stable revision"}: ${message}; change the spec to try again`,
      };
    default:
      return undefined;
  }
}
