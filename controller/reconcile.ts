/**
 * The shell: the only place where decisions (desired/, observe/) meet the cluster. Level-triggered:
 * it is given a key, looks at the world as it is, and makes it what it should be. Everything it
 * does may be done twice, or half, and done again.
 */
import type { InferenceService, InferenceServiceStatus } from "./api/inferenceservice.gen.ts";
import { CONFIG_MAP } from "./api/kinds.ts";
import type { KnativeService } from "./api/knative-service.gen.ts";
import { LABEL_COMPONENT } from "./api/names.ts";
import { accountSecrets, readerOf } from "./account-secrets.ts";
import { belongings } from "./belongings.ts";
import { applyServices, ownedServices } from "./children.ts";
import { inferenceServiceKinds } from "./api/kserve.ts";
import type { Cluster, Kind, KubeObject } from "./cluster.ts";
import type { RuntimeUpdates } from "./desired/builtin-runtimes.ts";
import type { PredictorDefaults } from "./desired/container.ts";
import { type Desired, desired } from "./desired/desired.ts";
import { type ClusterFacts, clusterFacts, type ConfigMapData } from "./desired/facts.ts";
import type { Node } from "./desired/nodes.ts";
import { isRefusal } from "./desired/refusal.ts";
import type { Runtime } from "./desired/runtimes.ts";
import { isPolled } from "./observe/digests.ts";
import { happenings } from "./observe/happenings.ts";
import { type Observation, observe, sameStatus } from "./observe/observe.ts";
import { livePods, type Pod } from "./observe/pods.ts";
import { type RuntimeKinds, runtimesFor } from "./runtimes.ts";
import { type Outcome, SETTLED } from "./outcome.ts";
import type { DigestRequest, ModelDigests } from "./model-digests.ts";
import type { Meter } from "./rollout/metrics.ts";
import { nextLook, portOf, rollOutAll, servicesOf } from "./rollouts.ts";

export interface ReconcileContext {
  readonly cluster: Cluster;
  readonly defaults: PredictorDefaults;
  readonly runtimes: {
    readonly kinds: RuntimeKinds;
    readonly builtIn: readonly Runtime[];
    readonly updates: RuntimeUpdates;
  };
  /** Whether InferenceServices of KServe's group are served as well. */
  readonly kserveCompatibility: boolean;
  readonly knativeNamespace: string;
  /** Undefined when they are not known. */
  readonly nodes?: readonly Node[] | undefined;
  /** Wall clock, for the times of conditions and of rollouts. */
  readonly now: () => Date;
  /** Counts what the pods of a revision on trial have answered. */
  readonly meter: Meter;
  /** Asks the pods which contents they serve. */
  readonly digests: ModelDigests;
}

/**
 * Another owner's child may go away, and what Knative refused it may take later: both are looked at
 * again without an event.
 */
const REFUSED_AGAIN_MS = 60_000;

/**
 * Makes the children of the InferenceService `namespace/name` what they should be and says in its
 * status how they are.
 * @throws ApiError or a transport's error when the API server could not be asked: the queue tries
 * again.
 */
export async function reconcile(
  context: ReconcileContext,
  namespace: string,
  name: string,
): Promise<Outcome> {
  const { cluster } = context;
  let outcome: Outcome | undefined;
  for (const kind of inferenceServiceKinds(context.kserveCompatibility)) {
    const isvc = cluster.get<InferenceService>(kind, namespace, name);
    // Owner references take the children along; a finalizer would only be one more thing that can
    // get stuck.
    if (isvc !== undefined && isvc.metadata.deletionTimestamp === undefined) {
      // Of two kinds with one name, one has the children, and the other is told so.
      const next = await reconcileOne(context, kind, isvc);
      outcome = outcome?.kind === "waiting" ? outcome : next;
    }
  }
  if (outcome === undefined) {
    context.digests.forget(`${namespace}/${name}`);
  }
  return outcome ?? SETTLED;
}

async function reconcileOne(
  context: ReconcileContext,
  kind: Kind,
  isvc: InferenceService,
): Promise<Outcome> {
  const { cluster } = context;
  const { namespace = "" } = isvc.metadata;
  const live = ownedServices(cluster, isvc);
  const wanted = desired({
    isvc,
    facts: factsOf(context),
    defaults: context.defaults,
    runtimes: runtimesFor(cluster, namespace, context.runtimes.kinds, context.runtimes.builtIn),
    runtimeUpdates: context.runtimes.updates,
    accountSecrets: context.kserveCompatibility
      ? await accountSecrets(readerOf(cluster), isvc)
      : [],
    live,
  });
  if (!isRefusal(wanted) && wanted.stopped === true) {
    // What goes with the service (the runtime's pin) is in the status before it goes.
    await writeStatus(context, kind, isvc, {
      services: live,
      warnings: [],
      rolled: {},
      ...stateOf(wanted),
    });
    await applyServices(cluster, isvc, {});
    return SETTLED;
  }
  // A refused change leaves what serves as it is.
  const rolled = isRefusal(wanted) ? {} : await rollOutAll(context, isvc, wanted.services, live);
  const children = isRefusal(wanted)
    ? { refusal: wanted, services: live }
    : await applyServices(cluster, isvc, servicesOf(rolled));
  const warnings = isRefusal(wanted) ? [] : wanted.warnings;
  await writeStatus(context, kind, isvc, {
    ...children,
    warnings,
    ...(isRefusal(wanted) ? {} : { rolled, ...stateOf(wanted) }),
  });
  if (children.refusal === undefined) {
    return nextLook(rolled);
  }
  const { reason, message } = children.refusal;
  return isRefusal(wanted)
    ? { kind: "refused", reason, message }
    : { kind: "waiting", afterMs: REFUSED_AGAIN_MS, reason };
}

function stateOf({ effective, stopped }: Desired): Pick<Observation, "effective" | "stopped"> {
  return { effective, ...(stopped === undefined ? {} : { stopped }) };
}

async function writeStatus(
  { cluster, now, nodes, digests }: ReconcileContext,
  kind: Kind,
  isvc: InferenceService,
  found: Pick<
    Observation,
    "refusal" | "services" | "warnings" | "rolled" | "effective" | "stopped"
  >,
): Promise<void> {
  const { revisions, pods } = belongings(cluster, isvc, found.services);
  const status: InferenceServiceStatus = observe({
    isvc,
    ...found,
    digests: digests.of(digestRequest(isvc, found.services.predictor, pods)),
    ...(nodes === undefined ? {} : { nodes }),
    revisions,
    pods,
    now: now()
      .toISOString()
      .replace(/\.\d+Z$/, "Z"),
  });
  if (sameStatus(isvc.status, status)) {
    return;
  }
  if ((await cluster.applyStatus(kind, isvc, status)) === undefined) {
    // It is not as it was: the event that tells how it is now brings the next reconcile.
    return;
  }
  for (const note of happenings(isvc.status, status)) {
    cluster.note(isvc, note);
  }
}

function digestRequest(
  { metadata }: InferenceService,
  service: KnativeService | undefined,
  pods: readonly Pod[],
): DigestRequest {
  return {
    key: `${metadata.namespace ?? ""}/${metadata.name}`,
    pods: livePods(pods).filter(
      ({ metadata: { labels } }) => labels?.[LABEL_COMPONENT] === "predictor",
    ),
    port: portOf(service),
    polled: isPolled(service),
  };
}

function factsOf({ cluster, knativeNamespace }: ReconcileContext): ClusterFacts {
  return clusterFacts(knativeNamespace, (name) => {
    const found = cluster.get<KubeObject & { data?: ConfigMapData }>(
      CONFIG_MAP,
      knativeNamespace,
      name,
    );
    // A ConfigMap without data says that everything has its default; one that is not there says
    // nothing.
    return found === undefined ? undefined : (found.data ?? {});
  });
}
