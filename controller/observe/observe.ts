/**
 * PURE: an InferenceService and what exists for it → its status. Ready says whether requests are
 * answered; LatestDeploymentReady whether the newest revision is what answers them. The two differ
 * while an old revision serves and a new one does not come up, and users need to see both.
 */
import type {
  Condition,
  InferenceService,
  InferenceServiceStatus,
  ModelStatus,
} from "../api/inferenceservice.gen.ts";
import type { KnativeRevision } from "../api/knative-revision.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import { LABEL_REVISION } from "../api/names.ts";
import { canonical } from "../canonical.ts";
import type { Refusal } from "../desired/refusal.ts";
import { condition, conditions, type Verdict } from "./conditions.ts";
import { livePods, type Pod } from "./pods.ts";
import { revisionTrouble, type Trouble } from "./trouble.ts";

export interface Observation {
  readonly isvc: InferenceService;
  /** Why nothing was applied for this generation, if so. */
  readonly refusal?: Refusal;
  readonly service?: KnativeService;
  readonly revisions: readonly KnativeRevision[];
  readonly pods: readonly Pod[];
  /** RFC 3339. */
  readonly now: string;
}

/** What the verdicts are made from, worked out once. */
interface View {
  readonly newest: string | undefined;
  readonly serving: string | undefined;
  /** Whether Knative has seen what we applied. */
  readonly fresh: boolean;
  readonly trouble: Trouble | undefined;
  readonly newestPods: readonly Pod[];
  /**
   * Whether a pod of the newest revision is ready: then trouble with another one is not an outage.
   */
  readonly answering: boolean;
  readonly replicas: number;
  readonly scaledToZero: boolean;
}

export function observe(observation: Observation): InferenceServiceStatus {
  const { isvc, service } = observation;
  const generation = isvc.metadata.generation ?? 0;
  const view = look(observation);
  const ready = readyVerdict(observation, view);
  const latest = latestVerdict(observation, view);
  const verdicts = [
    ready,
    { ...ready, type: "PredictorReady" },
    latest,
    ...abnormal(observation, latest, view),
  ];
  const url = service?.status?.url;
  const address = service?.status?.address?.url;
  return {
    observedGeneration: generation,
    ...(url === undefined ? {} : { url }),
    ...(address === undefined ? {} : { address: { url: address } }),
    replicas: view.replicas,
    conditions: conditions(verdicts, isvc.status?.conditions, generation, observation.now),
    components: { predictor: component(service) },
    modelStatus: modelStatus(observation, ready, latest, view),
  };
}

function look({ service, revisions, pods }: Observation): View {
  const status = service?.status;
  const newest = status?.latestCreatedRevisionName;
  const serving = status?.latestReadyRevisionName;
  const alive = livePods(pods);
  const podsOf = (revision: string | undefined): readonly Pod[] =>
    alive.filter((pod) => pod.metadata.labels?.[LABEL_REVISION] === revision);
  const routed = new Set((status?.traffic ?? []).map((target) => target.revisionName));
  const named = (name: string | undefined): KnativeRevision | undefined =>
    revisions.find((revision) => revision.metadata.name === name);
  const newestPods = podsOf(newest);
  const replicas = alive.filter((pod) => routed.has(pod.metadata.labels?.[LABEL_REVISION])).length;
  const active = condition(named(serving)?.status?.conditions, "Active");
  return {
    newest,
    serving,
    fresh: status !== undefined && status.observedGeneration === service?.metadata.generation,
    trouble: newest === undefined ? undefined : revisionTrouble(newestPods, named(newest)),
    newestPods,
    answering: newestPods.some(
      (pod) => condition(pod.status?.conditions, "Ready")?.status === "True",
    ),
    replicas,
    scaledToZero: replicas === 0 && active?.status === "False" && active.reason === "NoTraffic",
  };
}

/** Whether requests are answered. */
function readyVerdict(observation: Observation, view: View): Verdict {
  const { service, refusal, isvc } = observation;
  const type = "Ready";
  const before = condition(isvc.status?.conditions, type);
  const routes = condition(service?.status?.conditions, "RoutesReady");
  if (view.serving === undefined) {
    return refusal === undefined
      ? notYetServing(type, view)
      : { type, status: "False", ...refusal };
  }
  // Nobody answers any more when the revision that gets the traffic is the one in trouble.
  if (view.newest === view.serving && view.trouble?.fatal === true && !view.answering) {
    const { reason, message } = view.trouble;
    return { type, status: "False", reason, message };
  }
  // While a route moves, the old revision goes on serving: that is no reason to call a service that
  // was ready unready.
  const moving = routes?.status === "Unknown" && before?.status === "True";
  if (routes?.status !== "True" && !moving) {
    return {
      type,
      status: routes?.status === "False" ? "False" : "Unknown",
      reason: routes?.reason ?? "RouteNotReady",
      message: routes?.message ?? "the route of the Knative Service is not ready yet",
    };
  }
  return view.scaledToZero
    ? {
        type,
        status: "True",
        reason: "ScaledToZero",
        message: "no requests: scaled to zero; the next request starts a pod",
      }
    : { type, status: "True", reason: "Serving", message: `revision ${view.serving} serves` };
}

function notYetServing(type: string, view: View): Verdict {
  if (view.trouble !== undefined) {
    const { reason, message, fatal } = view.trouble;
    return { type, status: fatal ? "False" : "Unknown", reason, message };
  }
  return {
    type,
    status: "Unknown",
    reason: "Deploying",
    message:
      view.newest === undefined
        ? "waiting for Knative to make the first revision"
        : `revision ${view.newest} is starting`,
  };
}

/** Whether the newest revision is up. */
function latestVerdict({ refusal, service }: Observation, view: View): Verdict {
  const type = "LatestDeploymentReady";
  if (refusal !== undefined) {
    return { type, status: "False", ...refusal };
  }
  if (!view.fresh || view.newest === undefined) {
    return deploying(type, "waiting for Knative to make a revision of the latest change");
  }
  if (view.trouble !== undefined) {
    const { reason, message, fatal } = view.trouble;
    return { type, status: fatal ? "False" : "Unknown", reason, message };
  }
  if (view.newest !== view.serving) {
    return deploying(type, `revision ${view.newest} is starting`);
  }
  // Knative has seen a change before it makes the revision: until then the newest is the last one's.
  const configurations = condition(service?.status?.conditions, "ConfigurationsReady");
  return configurations?.status === "True"
    ? { type, status: "True", reason: "RevisionReady", message: `revision ${view.newest} is up` }
    : deploying(type, configurations?.message ?? "waiting for Knative to look at the change");
}

function deploying(type: string, message: string): Verdict {
  return { type, status: "Unknown", reason: "Deploying", message };
}

/** Reconciling and Stalled, each only while true (kstatus: sigs.k8s.io/cli-utils pkg/kstatus). */
function abnormal({ refusal }: Observation, latest: Verdict, view: View): readonly Verdict[] {
  const { reason, message } = latest;
  if (refusal !== undefined || (latest.status === "False" && view.trouble?.fatal === true)) {
    return [{ type: "Stalled", status: "True", reason, message }];
  }
  return latest.status === "True" ? [] : [{ type: "Reconciling", status: "True", reason, message }];
}

type ComponentStatus = NonNullable<NonNullable<InferenceServiceStatus["components"]>["predictor"]>;

function component(service: KnativeService | undefined): ComponentStatus {
  const status = service?.status;
  if (status === undefined) {
    return {};
  }
  const { url, latestCreatedRevisionName, latestReadyRevisionName, traffic } = status;
  return {
    ...(url === undefined ? {} : { url }),
    ...(latestCreatedRevisionName === undefined
      ? {}
      : { latestCreatedRevision: latestCreatedRevisionName }),
    ...(latestReadyRevisionName === undefined
      ? {}
      : { latestReadyRevision: latestReadyRevisionName }),
    ...(traffic === undefined
      ? {}
      : {
          traffic: traffic.map(({ revisionName, latestRevision, percent, tag, url: tagUrl }) => ({
            ...(revisionName === undefined ? {} : { revisionName }),
            ...(latestRevision === undefined ? {} : { latestRevision }),
            ...(percent === undefined ? {} : { percent }),
            ...(tag === undefined ? {} : { tag }),
            ...(tagUrl === undefined ? {} : { url: tagUrl }),
          })),
        }),
  };
}

/**
 * The model's state in KServe's words (kserve v1beta1 ModelStatus), except that zero replicas of a
 * loaded model count as Loaded.
 */
function modelStatus(
  { refusal }: Observation,
  ready: Verdict,
  latest: Verdict,
  view: View,
): ModelStatus {
  const { trouble } = view;
  const failed = view.newestPods.filter((pod) => revisionTrouble([pod], undefined)).length;
  const running = view.newestPods.some((pod) => pod.status?.phase === "Running");
  const target =
    latest.status === "True"
      ? "Loaded"
      : trouble?.fatal === true
        ? "FailedToLoad"
        : running
          ? "Loading"
          : "Pending";
  return {
    transitionStatus: transition(refusal, latest, trouble),
    states: {
      ...(ready.status === "True" ? { activeModelState: "Loaded" as const } : {}),
      targetModelState: target,
    },
    ...(trouble === undefined || view.newest === undefined
      ? {}
      : {
          lastFailureInfo: {
            reason: trouble.reason,
            message: trouble.message,
            modelRevisionName: view.newest,
            ...(trouble.exitCode === undefined ? {} : { exitCode: trouble.exitCode }),
          },
        }),
    copies: { failedCopies: failed, totalCopies: view.newestPods.length },
  };
}

function transition(
  refusal: Refusal | undefined,
  latest: Verdict,
  trouble: Trouble | undefined,
): NonNullable<ModelStatus["transitionStatus"]> {
  if (refusal !== undefined) {
    return "InvalidSpec";
  }
  if (latest.status === "True") {
    return "UpToDate";
  }
  return trouble?.fatal === true ? "BlockedByFailedLoad" : "InProgress";
}

/**
 * Whether two statuses say the same; times don't count, since they move only with what they are
 * about.
 */
export function sameStatus(
  one: InferenceServiceStatus | undefined,
  other: InferenceServiceStatus,
): boolean {
  return one !== undefined && canonical(timeless(one)) === canonical(timeless(other));
}

function timeless(status: InferenceServiceStatus): InferenceServiceStatus {
  return {
    ...status,
    conditions: (status.conditions ?? [])
      .map(({ lastTransitionTime: _time, ...rest }): Condition => rest)
      .toSorted((a, b) => a.type.localeCompare(b.type)),
  };
}
