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

const TAKEN_OVER = "the new revision has taken over";
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
  if (state.phase === "Promoted") {
    return told(state, 100);
  }
  if (candidate.isStable && candidate.up) {
    const { message: _ofStep, ...rest } = state;
    return told({ ...rest, phase: "Promoted" }, 100);
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
    const message = underWay(step, state, verdict.soFar);
    const checkAfterMs = spec.gate === undefined ? restMs : Math.min(restMs, GATE_MS);
    return { ...waiting(state, step.percent, "StepUnderWay", message), checkAfterMs };
  }
  if (verdict.kind === "open") {
    return {
      ...waiting(state, step.percent, verdict.reason, verdict.soFar),
      checkAfterMs: GATE_MS,
    };
  }
  const { message: _before, ...rest } = state;
  const passed = verdict.message === "" ? {} : { message: verdict.message };
  return state.step + 1 < (spec.steps?.length ?? 0)
    ? stepped(spec, { ...rest, ...passed, step: state.step + 1, since: rfc3339(nowMs) }, nowMs)
    : promoted({ ...rest, ...passed }, nowMs);
}

/**
 * `soFar` is told while the step goes on: the gate looks every few seconds, and numbers that change
 * each time would be a write of the status each time. `message` has them, for when it is over.
 */
type Verdict =
  | { readonly kind: "passed"; readonly message: string; readonly soFar: string }
  | { readonly kind: "open"; readonly reason: string; readonly soFar: string }
  | { readonly kind: "failed"; readonly reason: string; readonly message: string };

const PASSED: Verdict = { kind: "passed", message: "", soFar: "" };

/** Whether what was measured passes the gate, fails it, or is too little to tell. */
export function gateVerdict(gate: RolloutGate, measured: Measured | string | undefined): Verdict {
  if (measured === undefined || typeof measured === "string") {
    const soFar = `the new revision's numbers cannot be read: ${measured ?? "no pod was asked yet"}`;
    return { kind: "open", reason: "MetricsUnavailable", soFar };
  }
  const { requests, errors, latencyP95Ms } = measured;
  const least = gate.minRequests ?? MIN_REQUESTS;
  if (requests < least) {
    return tooFew(gate);
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
  const message = `error ratio ${round(ratio)}${p95} in ${requests} requests`;
  return { kind: "passed", message, soFar: "the gate passes so far" };
}

function tooFew({ minRequests = MIN_REQUESTS }: RolloutGate): Verdict & { readonly soFar: string } {
  const soFar = `fewer than the ${minRequests} requests that the gate wants so far`;
  return { kind: "open", reason: "WaitingForRequests", soFar };
}

/** The step, how the gate stands, and how it was at the end of the step before. */
function underWay(step: RolloutStep, { step: at, message }: RolloutState, soFar = ""): string {
  return [
    `${step.percent} % for ${formatDuration(durationOf(step))}`,
    ...(soFar === "" ? [] : [soFar]),
    ...(message === undefined ? [] : [`step ${at}: ${message}`]),
  ].join("; ");
}

function waiting(state: RolloutState, percent: number, reason: string, message: string): Plan {
  return { percent, state, reason, message };
}

function stepped(spec: RolloutSpec, state: RolloutState, nowMs: number): Plan {
  const step = spec.steps?.[state.step];
  if (step === undefined) {
    return promoted(state, nowMs);
  }
  // As the first look will say: counting begins with the step.
  const { soFar = "" } = spec.gate === undefined ? {} : tooFew(spec.gate);
  const message = underWay(step, state, soFar);
  const checkAfterMs =
    spec.gate === undefined ? durationOf(step) : Math.min(durationOf(step), GATE_MS);
  return { ...waiting(state, step.percent, "StepUnderWay", message), checkAfterMs };
}

function promoted(state: RolloutState, nowMs: number): Plan {
  const message = state.message === undefined ? {} : { message: `${TAKEN_OVER}; ${state.message}` };
  return told({ ...state, ...message, phase: "Promoted", since: rfc3339(nowMs) }, 100);
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
    message: message ?? TAKEN_OVER,
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
