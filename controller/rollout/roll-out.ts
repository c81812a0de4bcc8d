/**
 * PURE: the traffic of a component's Knative Service. A share that the user gave
 * (canaryTrafficPercent) wins; else the rollout's plan says it; else the newest revision gets
 * everything.
 */
import type {
  InferenceService,
  PredictorSpec,
  RolloutSpec,
  RolloutStatus,
} from "../api/inferenceservice.gen.ts";
import type { KnativeRevision } from "../api/knative-revision.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import {
  ANNOTATION_ROLLOUT,
  ANNOTATION_STABLE_REVISION,
  type ComponentName,
} from "../api/names.ts";
import { hasTagRouting } from "../desired/metadata.ts";
import { tagged, trafficFor } from "../desired/traffic.ts";
import { templateChanged, templateDigest } from "../intent.ts";
import type { Pod } from "../observe/pods.ts";
import { look, revisionsOf, type View } from "../observe/view.ts";
import { type Lineage, lineage, newestUp, undone } from "./lineage.ts";
import { type Candidate, type Measured, type Plan, planRollout } from "./plan.ts";
import { encodeState, isRecreate, parseState, type RolloutState } from "./state.ts";

export interface RollOutInput {
  readonly isvc: InferenceService;
  readonly component: ComponentName;
  /** As it should be, but for its traffic. */
  readonly wanted: KnativeService;
  readonly live: KnativeService | undefined;
  /** Of the whole InferenceService: another component's are never this one's to route to. */
  readonly revisions: readonly KnativeRevision[];
  readonly pods: readonly Pod[];
  /** What the new revision's pods have counted since the step began; a string says why not. */
  readonly measured?: Measured | string;
  readonly nowMs: number;
}

export interface RolledOut {
  /** `wanted` with its traffic, and with what the rollout must remember. */
  readonly service: KnativeService;
  readonly lineage: Lineage;
  readonly rollout?: RolloutStatus;
  /** Whether it is given another template now, and so will make a revision. */
  readonly changed: boolean;
  /** When to look again without an event. */
  readonly checkAfterMs?: number;
}

export function rollOut(all: RollOutInput): RolledOut {
  const input = { ...all, revisions: revisionsOf(all.component, all.revisions) };
  const given = regard(input);
  const share = shareOf(input, given);
  const { stable } = share.lineage;
  const traffic = tagged(
    trafficFor({ ...share, stable, up: given.candidate.up }, input.live),
    hasTagRouting(input.isvc.metadata),
  );
  const { wanted } = input;
  const annotations = {
    ...wanted.metadata.annotations,
    ...(share.state === undefined ? {} : { [ANNOTATION_ROLLOUT]: encodeState(share.state) }),
  };
  return {
    service: {
      ...wanted,
      metadata: { ...wanted.metadata, annotations },
      spec: { ...wanted.spec, traffic },
    },
    lineage: share.lineage,
    changed: given.changed,
    ...(share.rollout === undefined ? {} : { rollout: share.rollout }),
    ...(share.checkAfterMs === undefined ? {} : { checkAfterMs: share.checkAfterMs }),
  };
}

/** The state of a step whose requests must be counted now; undefined when no gate asks. */
export function underGate(
  input: Pick<RollOutInput, "isvc" | "component" | "wanted" | "live">,
): RolloutState | undefined {
  const spec = rolloutSpec(input.isvc, input.component);
  const state = stateOf(input.live);
  const asked =
    spec?.gate !== undefined &&
    percentOf(input) === undefined &&
    state?.phase === "Progressing" &&
    state.since !== undefined &&
    state.template === templateDigest(input.wanted);
  return asked ? state : undefined;
}

interface Given {
  readonly template: string;
  readonly changed: boolean;
  readonly state: RolloutState | undefined;
  readonly lineage: Lineage;
  readonly view: View;
  readonly candidate: Candidate;
}

function regard({ isvc, component, wanted, live, revisions, pods }: RollOutInput): Given {
  const changed = live !== undefined && templateChanged(live, wanted);
  const state = rolloutSpec(isvc, component) === undefined ? undefined : stateOf(live);
  const { latestRolledoutRevision, previousRolledoutRevision } =
    componentOf(isvc.status?.components, component) ?? {};
  const found = lineage({
    live,
    before: {
      ...(latestRolledoutRevision === undefined ? {} : { stable: latestRolledoutRevision }),
      ...(previousRolledoutRevision === undefined ? {} : { previous: previousRolledoutRevision }),
    },
    ...(state === undefined || state.phase === "Promoted" ? {} : { onTrial: state.stable }),
    revisions,
  });
  const service = live === undefined ? {} : { service: live };
  const view = look({ component, ...service, revisions, pods, wasReady: false });
  const known = !changed && view.fresh;
  const trouble = known ? view.trouble : undefined;
  const waits = trouble?.reason === "Unschedulable" && isRecreate(rolloutSpec(isvc, component));
  return {
    template: templateDigest(wanted),
    changed,
    state,
    lineage: found,
    view,
    candidate: {
      up: !changed && newestUp(live),
      isStable: !changed && view.newest === found.stable,
      answering: known && view.answering,
      // Recreate's pod has to wait for the place of the one before it.
      ...(trouble?.fatal === true && !waits ? { failure: trouble.message } : {}),
    },
  };
}

interface Decided {
  readonly percent: number;
  readonly lineage: Lineage;
  readonly state?: RolloutState;
  readonly rollout?: RolloutStatus;
  readonly checkAfterMs?: number;
  readonly dropNewest?: boolean;
  readonly keepStable?: boolean;
}

function shareOf(input: RollOutInput, given: Given): Decided {
  const spec = rolloutSpec(input.isvc, input.component);
  const percent = percentOf(input);
  if (percent !== undefined) {
    return byHand(input, given, percent);
  }
  if (spec === undefined) {
    return { percent: 100, lineage: given.lineage };
  }
  const plan = planRollout({
    spec,
    state: given.state,
    template: given.template,
    stable: given.lineage.stable,
    candidate: given.candidate,
    measured: input.measured,
    nowMs: input.nowMs,
  });
  const { state } = plan;
  return {
    percent: plan.percent,
    lineage: given.lineage,
    ...(state === undefined ? {} : { state, rollout: told(spec, plan, state, given) }),
    ...(plan.checkAfterMs === undefined ? {} : { checkAfterMs: plan.checkAfterMs }),
    dropNewest: state?.phase === "RolledBack",
    keepStable: state?.phase === "Progressing" && !isRecreate(spec),
  };
}

/** The share that the user gave. A rollout stands still; later it begins its step anew. */
function byHand(input: RollOutInput, given: Given, percent: number): Decided {
  const { isvc, live, revisions } = input;
  const back =
    percent < 100 && !given.changed ? undone(given.lineage, live, revisions) : given.lineage;
  const asked = isvc.metadata.annotations?.[ANNOTATION_STABLE_REVISION];
  const exists = asked !== undefined && revisions.some(({ metadata }) => metadata.name === asked);
  const found = exists && input.component === "predictor" ? { ...back, stable: asked } : back;
  const { state } = given;
  if (state === undefined) {
    return { percent, lineage: found };
  }
  const { since, ...still } = state;
  const kept = state.phase === "Progressing" || since === undefined ? still : { ...still, since };
  return {
    percent,
    lineage: found,
    state: kept,
    rollout: {
      phase: "Paused",
      stableRevision: found.stable ?? state.stable,
      percent,
      reason: "Paused",
      message: `canaryTrafficPercent holds it at ${percent} %; remove that to go on`,
    },
  };
}

function told(spec: RolloutSpec, plan: Plan, state: RolloutState, given: Given): RolloutStatus {
  const steps = spec.steps?.length ?? 0;
  const revision = given.changed ? undefined : given.view.newest;
  const underWay = state.phase === "Progressing" && steps > 0;
  return {
    phase: state.phase,
    stableRevision: given.lineage.stable ?? state.stable,
    ...(revision === undefined || revision === state.stable ? {} : { revision }),
    ...(underWay ? { step: Math.min(state.step + 1, steps), steps } : {}),
    percent: plan.percent,
    ...(state.since === undefined ? {} : { since: state.since }),
    ...(plan.reason === undefined ? {} : { reason: plan.reason }),
    ...(plan.message === undefined ? {} : { message: plan.message }),
  };
}

function stateOf(live: KnativeService | undefined): RolloutState | undefined {
  return parseState(live?.metadata.annotations?.[ANNOTATION_ROLLOUT]);
}

/** Only the predictor has steps. */
function rolloutSpec(isvc: InferenceService, component: ComponentName): RolloutSpec | undefined {
  return component === "predictor" ? isvc.spec.predictor.rollout : undefined;
}

function percentOf({
  isvc,
  component,
}: Pick<RollOutInput, "isvc" | "component">): number | undefined {
  return componentOf<Pick<PredictorSpec, "canaryTrafficPercent">>(isvc.spec, component)
    ?.canaryTrafficPercent;
}

/** The part of a spec or a status that is about `component`. */
function componentOf<T>(
  all: Readonly<Partial<Record<ComponentName, T>>> | undefined,
  component: ComponentName,
): T | undefined {
  return all?.[component];
}
