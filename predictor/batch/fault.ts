/** PURE: what a run that failed means for the client who asked for it. */
import { ServingError } from "../errors.ts";
import type { RunOutcome } from "./port.ts";

/** onnxruntime's words for inputs that this model can't compute; the rest is the model's fault. */
const inputFault = /out of (data )?bounds|dimension|shape|broadcast|rank|mismatch/i;

/** The fault of a run that wasn't done. */
export function faultOf(outcome: Exclude<RunOutcome, { kind: "done" }>): ServingError {
  if (outcome.kind === "unavailable") return outcome.error;
  if (outcome.kind === "died") {
    return new ServingError("failed", "the executor ended while it ran this request");
  }
  // Of the long message only the status: the rest names source files and graph nodes.
  const status = /Status Message: (.*)/s.exec(outcome.reason)?.[1] ?? outcome.reason;
  const reason = status
    .replaceAll(/\S*\/\S*/g, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 300);
  if (inputFault.test(reason)) {
    return new ServingError("invalid", `the model refuses this input: ${reason}`);
  }
  return new ServingError("failed", "the model failed on this input", { cause: outcome.reason });
}

type Limit = { readonly timeoutMs: number };

/** The fault of a request that took too long: for the server, or only for itself. */
export function lateFault(asked: Partial<Limit>, limits: Limit): ServingError {
  if ((asked.timeoutMs ?? Number.POSITIVE_INFINITY) >= limits.timeoutMs) {
    return new ServingError("deadline", "the inference did not finish in time");
  }
  return new ServingError("timed-out", "the request's own timeout is over");
}
