/**
 * Request parameters that servers share: Triton's schedule policy.
 * https://github.com/triton-inference-server/server: docs/protocol/extension_schedule_policy.md
 */
import { invalid } from "../errors.ts";
import { quote } from "./json.ts";
import type { JsonObject } from "./json.ts";

export type Scheduling = {
  /** 1 is the highest; 0, and none, is the default. */
  readonly priority?: number;
  /** The client's own deadline. */
  readonly timeoutMs?: number;
};

/** `priority`, and `timeout` in microseconds. Throws ServingError `invalid` for other values. */
export function schedulingOf(parameters: JsonObject | undefined): Scheduling {
  if (parameters === undefined) return {};
  const priority = wholeOf(parameters, "priority");
  const timeoutUs = wholeOf(parameters, "timeout");
  return {
    ...(priority === undefined ? {} : { priority }),
    // 0 is Triton's word for none.
    ...(timeoutUs === undefined || timeoutUs === 0 ? {} : { timeoutMs: timeoutUs / 1000 }),
  };
}

function wholeOf(parameters: JsonObject, name: string): number | undefined {
  const value = parameters[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`parameter ${name} is ${quote(value)}, no whole number`);
}

/** The protocol's own, which servers understand or pass over; the others are the task's. */
const protocolParameters =
  /^(priority|timeout|headers|content_type|binary_data(_output|_size)?|(sequence|triton)_.*)$/;

/** A request's parameters without those of the protocol. Throws as checkFlat does. */
export function taskParameters(parameters: JsonObject): JsonObject {
  const own = Object.entries(parameters).filter(([name]) => !protocolParameters.test(name));
  const kept = Object.fromEntries(own);
  checkFlat(kept);
  return kept;
}

const parametersMax = 1000;
const listMax = 10_000;

/**
 * Throws ServingError `invalid` unless each parameter is a scalar or a list of scalars: a task knows
 * no others, and what is nested deeper than a stack is long ends whoever copies it.
 */
export function checkFlat(parameters: JsonObject): void {
  const all = Object.entries(parameters);
  if (all.length > parametersMax) throw invalid(`there are more than ${parametersMax} parameters`);
  for (const [name, value] of all) {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    const flat = list.every((each) => typeof each !== "object" || each === null);
    if (flat && list.length <= listMax) continue;
    throw invalid(
      `parameter ${quote(name)} is neither a string, a number or a truth value, nor a list of those ` +
        `with at most ${listMax} elements`,
    );
  }
}
