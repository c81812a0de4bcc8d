/**
 * PURE: the planner of rollouts. What is wanted, where it is, what the new revision's pods have
 * counted, and what time it is → the share of the new revision, what to remember, and what to say.
 */
import type { RolloutGate, RolloutSpec, RolloutStep } from "../api/inferenceservice.gen.ts";
import { formatDuration, parseDurationMs } from "../duration.ts";
import { isRecreate, type RolloutState } from "./state.ts";

/** What the pods of the new revision have counted since the step began. */
export interface Measured {
  readonly requests: number;
  /** Those that failed by the server's fault. */
  readonly errors: number;
  /** Undefined while no request succeeded. */
  readonly latencyP95Ms?: number;
}

/** The new revision as the cluster shows it. */
export interface Candidate {
  /** Whether Knative calls it ready; a revision without a pod can be. */
  readonly up: boolean;
  /** Whether it is the stable one: then there is nothing to roll out. */
  readonly isStable: boolean;
  /** Whether a pod of it is ready. */
  readonly answering: boolean;
  /** Why it cannot serve, when waiting alone will not help. */
  readonly failure?: string;
}

export interface PlanInput {
  readonly spec: RolloutSpec;
  readonly state: RolloutState | undefined;
  /** Digest of the wanted template. */
  readonly template: string;
  /** Undefined while no revision ever served. */
  readonly stable: string | undefined;
  readonly candidate: Candidate;
  /** A string says why there are no numbers; undefined means that nobody asked yet. */
  readonly measured: Measured | string | undefined;
  readonly nowMs: number;
}

export interface Plan {
  readonly percent: number;
  readonly state?: RolloutState;
  /** PascalCase; becomes the reason of the condition RolloutComplete. */
  readonly reason?: string;
  readonly message?: string;
  /** When to look again without an event. */
  readonly checkAfterMs?: number;
}

/** Requests before a gate judges, unless told. */
export const MIN_REQUESTS = 20;
/** How often the gate looks; a failing revision serves at most so long, and a read of it, more. */
export const GATE_MS = 5000;

/** The plan; the same input gives the same plan. */
export function planRollout(input: PlanInput): Plan {
  const { state, template, stable, candidate } = input;
  if (stable === undefined) {
    return { percent: 100 };
  }
  if (state?.template !== template) {
    return candidate.isStable && candidate.up ? { percent: 100 } : begin(input, stable);
  }
  if (state.phase === "RolledBack") {
    return told(state, 0);
  }
  if (state.phase === "Promoted" || (candidate.isStable && candidate.up)) {
    return told({ ...state, phase: "Promoted" }, 100);
  }
  return progress(input, state);
}

function begin({ spec, template }: PlanInput, stable: string): Plan {
  const state: RolloutState = { template, stable, phase: "Progressing", step: 0 };
  return waiting(state, share(spec, 0), "WaitingForRevision", notUp(spec));
}

function notUp(spec: RolloutSpec): string {
  return isRecreate(spec)
    ? "no pod of the new revision answers yet; without requests and with minReplicas 0 there is none"
    : "the new revision is not up yet";
}

function progress(input: PlanInput, state: RolloutState): Plan {
  const { spec, candidate, nowMs } = input;
  const percent = share(spec, state.step);
  // A revision that was never up got nothing: Knative gives it traffic when it is ready, and its
  // trouble is told by LatestDeploymentReady. Recreate has taken the old one's pods already.
  if (candidate.failure !== undefined && (state.since !== undefined || isRecreate(spec))) {
    return rolledBack(state, "RevisionFailed", candidate.failure, nowMs);
  }
  if (state.since === undefined) {
    const started = candidate.up && (!isRecreate(spec) || candidate.answering);
    return started
      ? stepped(spec, { ...state, since: rfc3339(nowMs) }, nowMs)
      : waiting(state, percent, "WaitingForRevision", notUp(spec));
  }
  return judge(input, state, Date.parse(state.since));
}

/** A step is under way: is it failed, is it over, or does it go on? */
function judge(input: PlanInput, state: RolloutState, sinceMs: number): Plan {
  const { spec, measured, nowMs } = input;
  const step = spec.steps?.[state.step];
  if (step === undefined) {
    // No such step (any more): it was the last.
    return promoted(state, nowMs);
  }
  const verdict = spec.gate === undefined ? PASSED : gateVerdict(spec.gate, measured);
  if (verdict.kind === "failed") {
    return rolledBack(state, verdict.reason, verdict.message, nowMs);
  }
  const restMs = sinceMs + durationOf(step) - nowMs;
  if (restMs > 0) {
    const message = `${step.percent} % for ${formatDuration(durationOf(step))}${after(verdict)}`;
    const checkAfterMs = spec.gate === undefined ? restMs : Math.min(restMs, GATE_MS);
    return { ...waiting(state, step.percent, "StepUnderWay", message), checkAfterMs };
  }
  if (verdict.kind === "open") {
    return {
      ...waiting(state, step.percent, verdict.reason, verdict.message),
      checkAfterMs: GATE_MS,
    };
  }
  return state.step + 1 < (spec.steps?.length ?? 0)
    ? stepped(spec, { ...state, step: state.step + 1, since: rfc3339(nowMs) }, nowMs)
    : promoted(state, nowMs);
}

type Verdict =
  | { readonly kind: "passed"; readonly message: string }
  | { readonly kind: "open" | "failed"; readonly reason: string; readonly message: string };

const PASSED: Verdict = { kind: "passed", message: "" };

/** Whether what was measured passes the gate, fails it, or is too little to tell. */
export function gateVerdict(gate: RolloutGate, measured: Measured | string | undefined): Verdict {
  if (measured === undefined || typeof measured === "string") {
    const message = `the new revision's numbers cannot be read: ${measured ?? "no pod was asked yet"}`;
    return { kind: "open", reason: "MetricsUnavailable", message };
  }
  const { requests, errors, latencyP95Ms } = measured;
  const least = gate.minRequests ?? MIN_REQUESTS;
  if (requests < least) {
    const message = `${requests} of the ${least} requests that the gate wants`;
    return { kind: "open", reason: "WaitingForRequests", message };
  }
  const ratio = errors / requests;
  const maxRatio = gate.maxErrorRatio;
  if (maxRatio !== undefined && ratio > maxRatio) {
    const message = `error ratio ${round(ratio)} over ${maxRatio} in ${requests} requests`;
    return { kind: "failed", reason: "ErrorRatioTooHigh", message };
  }
  const maxP95Ms = gate.maxLatencyP95 === undefined ? undefined : durationMs(gate.maxLatencyP95);
  if (maxP95Ms !== undefined && latencyP95Ms === undefined) {
    const message = `none of ${requests} requests was answered with a result`;
    return { kind: "failed", reason: "LatencyTooHigh", message };
  }
  if (maxP95Ms !== undefined && latencyP95Ms !== undefined && latencyP95Ms > maxP95Ms) {
    const message = `P95 latency ${inMs(latencyP95Ms)} over ${inMs(maxP95Ms)} in ${requests} requests`;
    return { kind: "failed", reason: "LatencyTooHigh", message };
  }
  const p95 = latencyP95Ms === undefined ? "" : `, P95 ${inMs(latencyP95Ms)}`;
  return { kind: "passed", message: `error ratio ${round(ratio)}${p95} in ${requests} requests` };
}

function after({ message }: Verdict): string {
  return message === "" ? "" : `; ${message}`;
}

function waiting(state: RolloutState, percent: number, reason: string, message: string): Plan {
  return { percent, state, reason, message };
}

function stepped(spec: RolloutSpec, state: RolloutState, nowMs: number): Plan {
  const step = spec.steps?.[state.step];
  if (step === undefined) {
    return promoted(state, nowMs);
  }
  const message = `${step.percent} % for ${formatDuration(durationOf(step))}`;
  const checkAfterMs =
    spec.gate === undefined ? durationOf(step) : Math.min(durationOf(step), GATE_MS);
  return { ...waiting(state, step.percent, "StepUnderWay", message), checkAfterMs };
}

function promoted(state: RolloutState, nowMs: number): Plan {
  return told({ ...state, phase: "Promoted", since: rfc3339(nowMs) }, 100);
}

function rolledBack(state: RolloutState, reason: string, message: string, nowMs: number): Plan {
  return told({ ...state, phase: "RolledBack", since: rfc3339(nowMs), reason, message }, 0);
}

function told(state: RolloutState, percent: number): Plan {
  const { reason, message } = state;
  return {
    percent,
    state,
    reason: reason ?? state.phase,
    message: message ?? "the new revision has taken over",
  };
}

function share(spec: RolloutSpec, step: number): number {
  return isRecreate(spec) ? 100 : (spec.steps?.[step]?.percent ?? 100);
}

function durationOf(step: RolloutStep): number {
  return durationMs(step.duration);
}

/** The CRD's pattern admits nothing that is no duration. */
function durationMs(text: string): number {
  return parseDurationMs(text) ?? 0;
}

/** To the second, as Kubernetes writes times. */
function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

function round(ratio: number): number {
  return Math.round(ratio * 1000) / 1000;
}

function inMs(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}
