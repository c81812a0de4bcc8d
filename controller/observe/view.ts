/** What there is of one component, worked out once, for the verdicts to be made from. */
import type { KnativeRevision } from "../api/knative-revision.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import { type ComponentName, LABEL_COMPONENT, LABEL_REVISION } from "../api/names.ts";
import { type Node, shortage } from "../desired/nodes.ts";
import type { Refusal } from "../desired/refusal.ts";
import { condition } from "./conditions.ts";
import { livePods, type Pod } from "./pods.ts";
import { revisionTrouble, type Trouble } from "./trouble.ts";

export interface ComponentObservation {
  readonly component: ComponentName;
  /** Why nothing was applied for this generation, if so. */
  readonly refusal?: Refusal;
  readonly service?: KnativeService;
  /** Of the whole InferenceService; each belongs to the component that its name or label says. */
  readonly revisions: readonly KnativeRevision[];
  readonly pods: readonly Pod[];
  /** Undefined when they are not known. */
  readonly nodes?: readonly Node[];
  /** Whether the component was ready when it was looked at last. */
  readonly wasReady: boolean;
  /** Whether there is nothing because the user wants it so. */
  readonly stopped?: boolean;
  /** Whether what Knative has yet to see is but the shares of revisions that are up. */
  readonly rerouted?: boolean;
}

export interface View extends ComponentObservation {
  readonly newest: string | undefined;
  readonly serving: string | undefined;
  /** The revisions that get requests. */
  readonly shares: readonly { readonly revision: string; readonly percent: number }[];
  /** Whether Knative has seen what we applied. */
  readonly fresh: boolean;
  readonly trouble: Trouble | undefined;
  readonly newestPods: readonly Pod[];
  /** Those of the newest revision and of all that get requests. */
  readonly alive: readonly Pod[];
  /**
   * Whether a pod of the newest revision is ready: then trouble with another one is not an outage.
   */
  readonly answering: boolean;
  readonly replicas: number;
  readonly scaledToZero: boolean;
}

/** Those of `revisions` that are the component's; one that does not say whose it is, the predictor's. */
export function revisionsOf(
  component: ComponentName,
  revisions: readonly KnativeRevision[],
): readonly KnativeRevision[] {
  return revisions.filter(
    ({ metadata }) => (metadata.labels?.[LABEL_COMPONENT] ?? "predictor") === component,
  );
}

export function look(observation: ComponentObservation): View {
  const { service, revisions, pods } = observation;
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
    ...observation,
    newest,
    serving,
    shares: (status?.traffic ?? []).flatMap(({ revisionName: revision, percent = 0 }) =>
      revision === undefined || percent === 0 ? [] : [{ revision, percent }],
    ),
    fresh: status !== undefined && status.observedGeneration === service?.metadata.generation,
    trouble: placed(
      newest === undefined ? undefined : revisionTrouble(newestPods, named(newest)),
      observation,
    ),
    newestPods,
    alive: alive.filter((pod) => {
      const revision = pod.metadata.labels?.[LABEL_REVISION];
      return revision !== undefined && (revision === newest || routed.has(revision));
    }),
    answering: newestPods.some(
      (pod) => condition(pod.status?.conditions, "Ready")?.status === "True",
    ),
    replicas,
    scaledToZero: replicas === 0 && active?.status === "False" && active.reason === "NoTraffic",
  };
}

/** What no node offers, before the scheduler's words. */
function placed(
  trouble: Trouble | undefined,
  { service, nodes }: ComponentObservation,
): Trouble | undefined {
  const pod = service?.spec?.template?.spec;
  return trouble?.reason !== "Unschedulable" || pod === undefined || nodes === undefined
    ? trouble
    : { ...trouble, message: `${shortage(pod, nodes).message}; ${trouble.message}` };
}
