/**
 * PURE: an InferenceService and what exists for it → its status. Ready says whether requests are
 * answered by every component; LatestDeploymentReady whether the newest revisions are what answers
 * them. The two differ while an old revision serves and a new one does not come up, and users need
 * to see both.
 */
import type {
  Condition,
  InferenceService,
  InferenceServiceStatus,
  RolloutStatus,
} from "../api/inferenceservice.gen.ts";
import type { KnativeRevision } from "../api/knative-revision.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import {
  type ComponentName,
  COMPONENTS,
  LABEL_COMPONENT,
  LABEL_INFERENCE_SERVICE,
  type PerComponent,
} from "../api/names.ts";
import { canonical } from "../canonical.ts";
import type { Node } from "../desired/nodes.ts";
import type { Effective } from "../desired/effective.ts";
import type { Refusal } from "../desired/refusal.ts";
import { RUNTIME_OUTDATED } from "../desired/runtime-pin.ts";
import type { Warning } from "../desired/warning.ts";
import { lastColdStart } from "./cold-start.ts";
import { componentStatus, servingStatus } from "./component-status.ts";
import { condition, conditions, readyType, type Verdict } from "./conditions.ts";
import { contentsDiffer, type RevisionDigests, revisionDigests } from "./digests.ts";
import { kserveConditions } from "./kserve-conditions.ts";
import { history } from "./history.ts";
import { modelStatus } from "./model-status.ts";
import type { Pod } from "./pods.ts";
import { runtimeStatus } from "./runtime-status.ts";
import {
  abnormalRollout,
  lineageStatus,
  type Rolled,
  rolloutStatus,
  rolloutVerdict,
} from "./rollout-status.ts";
import { settled } from "./settled.ts";
import { type Judgement, latestReadiness, readiness, worst } from "./verdicts.ts";
import { look, type View } from "./view.ts";

export interface Observation {
  readonly isvc: InferenceService;
  /** Why nothing was applied for this generation, if so. */
  readonly refusal?: Refusal;
  /** What does not stop it, but should be known. */
  readonly warnings?: readonly Warning[];
  /** How each component scales in the end. */
  readonly effective?: PerComponent<Effective>;
  /** Whether there is nothing because the user wants it so. */
  readonly stopped?: boolean;
  /** The Knative Services that exist and are ours. */
  readonly services: PerComponent<KnativeService>;
  readonly revisions: readonly KnativeRevision[];
  readonly pods: readonly Pod[];
  /** All of the cluster; undefined when they are not known. */
  readonly nodes?: readonly Node[];
  /** How far the revisions of each component are rolled out; absent when nothing was decided. */
  readonly rolled?: PerComponent<Rolled>;
  /** Digests of the predictor's models, by pod, as far as they told them. */
  readonly digests?: ReadonlyMap<string, string>;
  /** RFC 3339. */
  readonly now: string;
}

interface Part {
  readonly view: View;
  readonly ready: Judgement;
  readonly latest: Judgement;
}

export function observe(observation: Observation): InferenceServiceStatus {
  const { isvc, warnings = [], rolled = {} } = observation;
  const generation = isvc.metadata.generation ?? 0;
  const parts = COMPONENTS.filter((component) => isWanted(isvc, component)).map((component) =>
    part(component, observation),
  );
  const predictor = parts.find(({ view }) => view.component === "predictor");
  const told = revisionDigests(predictor?.view.alive ?? [], observation.digests);
  const latest = whole("LatestDeploymentReady", parts, ({ latest: judgement }) => judgement);
  const rollout = rolled.predictor?.rollout;
  const verdicts = [
    whole("Ready", parts, ({ ready }) => ready),
    ...parts.map(({ view, ready }) => ({ type: readyType(view.component), ...ready })),
    ...kserveConditions(isvc, parts[0]?.view),
    latest,
    ...rolloutVerdict(rollout),
    ...(observation.stopped === true ? stopped(latest) : abnormal(parts, latest, rollout)),
    ...warned([
      ...warnings,
      ...(predictor === undefined ? [] : contentsDiffer(predictor.view, told)),
    ]),
  ];
  // Requests enter where the order of the components begins.
  const [first] = parts;
  const entry = first === undefined ? undefined : servingStatus(first.view);
  const { url } = entry ?? {};
  const address = entry?.address?.url;
  return {
    observedGeneration: generation,
    ...(url === undefined ? {} : { url }),
    ...(address === undefined ? {} : { address: { url: address } }),
    selector: predictorSelector(isvc),
    replicas: predictor?.view.replicas ?? 0,
    conditions: conditions(verdicts, isvc.status?.conditions, generation, observation.now),
    ...components(parts, observation),
    ...rolloutStatus(isvc, observation),
    ...runtimeStatus(observation.services.predictor, isvc.status, observation.stopped ?? false),
    ...(predictor === undefined ? {} : ofPredictor(predictor, observation, told)),
  };
}

/**
 * What is empty is left out: server-side apply makes null of an object that had fields of ours and
 * is applied without any, and the schema then refuses the whole status.
 */
function components(
  parts: readonly Part[],
  { isvc, rolled = {}, effective = {} }: Observation,
): Pick<InferenceServiceStatus, "components"> {
  const told = parts
    .map(({ view: { component, ...view } }) => {
      const own = componentStatus({ component, ...view }, effective[component]);
      return [component, { ...own, ...lineageStatus(isvc, component, rolled[component]) }] as const;
    })
    .filter(([, status]) => Object.keys(status).length > 0);
  return told.length === 0 ? {} : { components: Object.fromEntries(told) };
}

/** For the scale subresource. */
function predictorSelector({ metadata }: InferenceService): string {
  return `${LABEL_INFERENCE_SERVICE}=${metadata.name},${LABEL_COMPONENT}=predictor`;
}

function ofPredictor(
  { view, ready, latest }: Part,
  { isvc, rolled, now }: Observation,
  digests: RevisionDigests,
): Pick<InferenceServiceStatus, "modelStatus" | "lastColdStart" | "history"> {
  const entries = history({
    isvc,
    view,
    rolled: rolled?.predictor,
    digests,
    now,
  });
  const coldStart = lastColdStart(isvc.status, view.alive);
  return {
    ...(coldStart === undefined ? {} : { lastColdStart: coldStart }),
    ...(entries.length === 0 ? {} : { history: entries }),
    modelStatus: modelStatus({ view, ready, latest, previous: isvc.status?.modelStatus, now }),
  };
}

/** It is as it should be, though it does not serve: neither under way nor stuck. */
function stopped({ reason, message }: Verdict): readonly Verdict[] {
  return [{ type: "Stopped", status: "True", reason, message }];
}

function isWanted(isvc: InferenceService, component: ComponentName): boolean {
  return component in isvc.spec;
}

function part(component: ComponentName, observation: Observation): Part {
  const { isvc, refusal, revisions, pods, nodes } = observation;
  const service = observation.services[component];
  const before = condition(isvc.status?.conditions, readyType(component));
  const seen = look({
    component,
    ...(refusal === undefined ? {} : { refusal }),
    ...(service === undefined ? {} : { service }),
    revisions,
    pods,
    ...(nodes === undefined ? {} : { nodes }),
    wasReady: before?.status === "True",
    stopped: observation.stopped ?? false,
    rerouted: rerouted(component, observation),
  });
  const view = settled(seen, isvc.status, isvc.metadata.generation ?? 0);
  return { view, ready: readiness(view), latest: latestReadiness(view) };
}

/**
 * Whether the newest revision was up, and nothing but its share of the requests can have changed
 * since: a step of a rollout is a change of the Knative Service, but makes no revision.
 */
function rerouted(component: ComponentName, { isvc, rolled = {} }: Observation): boolean {
  const before = condition(isvc.status?.conditions, "LatestDeploymentReady");
  return (
    rolled[component]?.changed === false &&
    before?.status === "True" &&
    before.observedGeneration === isvc.metadata.generation
  );
}

/** The condition `type` of all parts together, in the words of the worst. */
function whole(type: string, parts: readonly Part[], of: (part: Part) => Judgement): Verdict {
  // The predictor's words first: it is the part that every InferenceService has.
  const told = parts
    .toSorted((a, b) => rank(a) - rank(b))
    .map((one) => ({ ...of(one), component: one.view.component }));
  const found = worst(told);
  if (found === undefined) {
    return { type, status: "Unknown", reason: "Deploying", message: "nothing is wanted yet" };
  }
  const { component, status, reason, message } = found;
  // A refusal names its field; everything else has to say which of several parts it is about.
  const named = parts.length === 1 || message.includes(`spec.${component}`) || status === "True";
  return { type, status, reason, message: named ? message : `${component}: ${message}` };
}

function rank({ view }: Part): number {
  return view.component === "predictor" ? 0 : 1;
}

/** Reconciling and Stalled, each only while true (kstatus: sigs.k8s.io/cli-utils pkg/kstatus). */
function abnormal(
  parts: readonly Part[],
  verdict: Verdict,
  rollout: RolloutStatus | undefined,
): readonly Verdict[] {
  const { reason, message } = verdict;
  const rolling = abnormalRollout(rollout);
  const refused = parts.some(({ view }) => view.refusal !== undefined);
  if (rolling?.type === "Stalled" && !refused) {
    return [rolling];
  }
  const stuck = parts.some(
    ({ view, latest }) => latest.status === "False" && view.trouble?.fatal === true,
  );
  if (stuck || refused) {
    return [{ type: "Stalled", status: "True", reason, message }];
  }
  return verdict.status === "True"
    ? [rolling ?? []].flat()
    : [{ type: "Reconciling", status: "True", reason, message }];
}

/**
 * Conditions that are present only while they are true: an outdated runtime by itself, since
 * somebody may wait for it, and all other warnings as one.
 */
function warned(warnings: readonly Warning[]): readonly Verdict[] {
  const outdated = warnings.filter(({ reason }) => reason === RUNTIME_OUTDATED);
  const others = warnings.filter(({ reason }) => reason !== RUNTIME_OUTDATED);
  return [...together(RUNTIME_OUTDATED, outdated), ...together("Warning", others)];
}

function together(type: string, warnings: readonly Warning[]): readonly Verdict[] {
  const [first] = warnings;
  const message = warnings.map((warning) => warning.message).join("; ");
  return first === undefined ? [] : [{ type, status: "True", reason: first.reason, message }];
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
