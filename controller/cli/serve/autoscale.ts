/** How many processes a service should have: Knative's KPA, reduced to one machine. Pure. */
import type { Sample } from "./meter.ts";

export interface ScalePolicy {
  readonly metric: "concurrency" | "rps";
  /** Load of one process that is aimed at, utilisation already taken off. */
  readonly target: number;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Stable window: what is averaged, and the time without requests after which nothing is left. */
  readonly windowMs: number;
}

export interface ScaleInput {
  readonly nowMs: number;
  /** Processes that serve or are about to. */
  readonly replicas: number;
  /** Oldest first. */
  readonly samples: readonly Sample[];
  /** Requests inside now, waiting ones included. */
  readonly inside: number;
  /** Time since the last request ended; 0 while one is inside. */
  readonly idleMs: number;
  /** From the last decision; 0 at first. */
  readonly panicUntilMs: number;
}

export interface ScaleDecision {
  readonly replicas: number;
  readonly panicUntilMs: number;
  /** The number's origin, for the line that reports it. */
  readonly why: string;
}

/** The panic window is a tenth of the stable one, and panic begins at twice what is there: Knative's defaults. */
const PANIC_WINDOW_SHARE = 0.1;
const PANIC_RATIO = 2;
/** One decision takes away at most half of the processes (max-scale-down-rate). */
const SCALE_DOWN_RATIO = 2;

/**
 * ceil(average load / target) over the stable window; over the panic window instead when that asks
 * for twice the present number, and then nothing is taken away until a stable window has passed
 * without panic.
 * https://knative.dev/docs/serving/autoscaling/kpa-specific/
 */
export function autoscale(policy: ScalePolicy, input: ScaleInput): ScaleDecision {
  const { nowMs, replicas } = input;
  const stableLoad = average(policy, input, policy.windowMs);
  const burstLoad = average(policy, input, policy.windowMs * PANIC_WINDOW_SHARE);
  const burst = Math.ceil(burstLoad / policy.target);
  const overrun = replicas > 0 && burst >= PANIC_RATIO * replicas;
  const panicUntilMs = overrun ? nowMs + policy.windowMs : input.panicUntilMs;
  const panic = nowMs < panicUntilMs;

  let wanted = Math.ceil(stableLoad / policy.target);
  let load = stableLoad;
  if (panic) {
    load = burst > wanted ? burstLoad : stableLoad;
    wanted = Math.max(wanted, burst, replicas);
  }
  // The last one goes for idleness alone: an average of almost nothing still is somebody's request.
  const idle = input.idleMs >= policy.windowMs;
  wanted = idle ? 0 : Math.max(wanted, Math.min(1, replicas + input.inside));
  wanted = Math.max(wanted, Math.floor(replicas / SCALE_DOWN_RATIO));
  wanted = Math.min(Math.max(wanted, policy.minReplicas), policy.maxReplicas);
  return { replicas: wanted, panicUntilMs, why: explain(policy, load) };
}

function average(policy: ScalePolicy, input: ScaleInput, windowMs: number): number {
  let sum = 0;
  let count = 0;
  for (let index = input.samples.length - 1; index >= 0; index--) {
    const sample = input.samples[index];
    // The newest sample always counts: a short window may lie between two of them.
    if (sample === undefined || (count > 0 && sample.atMs <= input.nowMs - windowMs)) {
      break;
    }
    sum += sample[policy.metric];
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

function explain(policy: ScalePolicy, load: number): string {
  const unit = policy.metric === "rps" ? "requests a second" : "requests in flight";
  return `${round(load)} ${unit} on average, ${round(policy.target)} a process aimed at`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(1)));
}
