/**
 * Whether a component answers requests, and whether its newest revision is what answers; and the
 * same of all components together.
 */
import { ANNOTATION_STOP } from "../api/names.ts";
import { condition, type Verdict } from "./conditions.ts";
import type { View } from "./view.ts";

/** A verdict that has yet to be given the name of a condition. */
export type Judgement = Omit<Verdict, "type">;

/** What is True, Unknown and False, worst first: the whole is as bad as its worst part. */
const WORST_FIRST: readonly Judgement["status"][] = ["False", "Unknown", "True"];

const STOPPED: Judgement = {
  status: "False",
  reason: "Stopped",
  message: `stopped by the annotation ${ANNOTATION_STOP} (or KServe's); remove it to serve again`,
};

/** Whether requests to this component are answered. */
export function readiness(view: View): Judgement {
  const { service, refusal, wasReady } = view;
  if (view.stopped === true) {
    return STOPPED;
  }
  const routes = condition(service?.status?.conditions, "RoutesReady");
  if (view.serving === undefined) {
    return refusal === undefined ? notYetServing(view) : { status: "False", ...refusal };
  }
  // Nobody answers any more when the revision that gets all the traffic is the one in trouble.
  const alone = view.shares.every(({ revision }) => revision === view.newest);
  if (view.newest === view.serving && alone && view.trouble?.fatal === true && !view.answering) {
    const { reason, message } = view.trouble;
    return { status: "False", reason, message };
  }
  // While a route moves, the old revision goes on serving: that is no reason to call a service that
  // was ready unready.
  const moving = routes?.status === "Unknown" && wasReady;
  if (routes?.status !== "True" && !moving) {
    return {
      status: routes?.status === "False" ? "False" : "Unknown",
      reason: routes?.reason ?? "RouteNotReady",
      message: routes?.message ?? "the route of the Knative Service is not ready yet",
    };
  }
  return view.scaledToZero
    ? {
        status: "True",
        reason: "ScaledToZero",
        message: "no requests: scaled to zero; the next request starts a pod",
      }
    : { status: "True", reason: "Serving", message: serves(view) };
}

/** Who serves, and how much where it is more than one. */
function serves({ shares, serving }: View): string {
  if (shares.length < 2) {
    return `revision ${shares[0]?.revision ?? serving} serves`;
  }
  const most = shares.toSorted((a, b) => b.percent - a.percent);
  const told = most.map(({ revision, percent }) => `${revision} (${percent} %)`);
  return `revisions ${told.join(" and ")} serve`;
}

function notYetServing(view: View): Judgement {
  if (view.trouble !== undefined) {
    const { reason, message, fatal } = view.trouble;
    return { status: fatal ? "False" : "Unknown", reason, message };
  }
  return {
    status: "Unknown",
    reason: "Deploying",
    message:
      view.newest === undefined
        ? "waiting for Knative to make the first revision"
        : `revision ${view.newest} is starting`,
  };
}

/** Whether the newest revision of this component is up. */
export function latestReadiness(view: View): Judgement {
  const { refusal, service } = view;
  if (view.stopped === true) {
    return STOPPED;
  }
  if (refusal !== undefined) {
    return { status: "False", ...refusal };
  }
  if ((!view.fresh && view.rerouted !== true) || view.newest === undefined) {
    return deploying("waiting for Knative to make a revision of the latest change");
  }
  if (view.trouble !== undefined) {
    const { reason, message, fatal } = view.trouble;
    return { status: fatal ? "False" : "Unknown", reason, message };
  }
  if (view.newest !== view.serving) {
    return deploying(`revision ${view.newest} is starting`);
  }
  // Knative has seen a change before it makes the revision: until then the newest is the last one's.
  const configurations = condition(service?.status?.conditions, "ConfigurationsReady");
  return configurations?.status === "True"
    ? { status: "True", reason: "RevisionReady", message: `revision ${view.newest} is up` }
    : deploying(configurations?.message ?? "waiting for Knative to look at the change");
}

function deploying(message: string): Judgement {
  return { status: "Unknown", reason: "Deploying", message };
}

/**
 * The judgement on the whole: that on its worst part; among equals the first, so that the order of
 * `parts` says whose words are shown.
 */
export function worst<T extends Judgement>(parts: readonly T[]): T | undefined {
  return WORST_FIRST.map((status) => parts.find((part) => part.status === status)).find(
    (part) => part !== undefined,
  );
}
