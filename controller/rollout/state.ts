/**
 * PURE: what a rollout must remember between two looks. It is an annotation on the Knative Service,
 * written together with the traffic that it explains: neither can be lost without the other.
 */
import type { RolloutSpec } from "../api/inferenceservice.gen.ts";

export interface RolloutState {
  /** Digest of the template that is rolled out, or was rolled back and is not tried again. */
  readonly template: string;
  /** The revision that serves the rest. */
  readonly stable: string;
  readonly phase: "Progressing" | "Promoted" | "RolledBack";
  /** Index of the step; of Recreate, which may have none, 0. */
  readonly step: number;
  /** RFC 3339: when the step, or the phase, began; absent while the revision is not up yet. */
  readonly since?: string;
  readonly reason?: string;
  /** Why it was rolled back; under way, the gate's numbers at the end of the step before. */
  readonly message?: string;
}

/** What the gate is about to ask: the step at which counting began. */
export function stepOf(state: RolloutState): string {
  return `${state.template}/${state.step}/${state.since ?? ""}`;
}

const PHASES: readonly unknown[] = ["Progressing", "Promoted", "RolledBack"];

/** The state in an annotation; one that somebody spoilt is none, and the rollout begins anew. */
export function parseState(text: string | undefined): RolloutState | undefined {
  if (text === undefined) {
    return undefined;
  }
  try {
    const value = JSON.parse(text) as Partial<RolloutState> | null;
    const sound =
      typeof value?.template === "string" &&
      typeof value.stable === "string" &&
      PHASES.includes(value.phase) &&
      Number.isInteger(value.step) &&
      (value.since === undefined || Number.isFinite(Date.parse(value.since)));
    return sound ? (value as RolloutState) : undefined;
  } catch {
    return undefined;
  }
}

/** The state as an annotation. */
export function encodeState(state: RolloutState): string {
  return JSON.stringify(state);
}

export function isRecreate(spec: RolloutSpec | undefined): boolean {
  return spec?.strategy === "Recreate";
}
