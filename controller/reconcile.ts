/**
 * The shell: the only place where decisions (desired/, observe/) meet the cluster. Level-triggered:
 * it is given a key, looks at the world as it is, and makes it what it should be. Everything it
 * does may be done twice, or half, and done again.
 */
import type { InferenceService, InferenceServiceStatus } from "./api/inferenceservice.gen.ts";
import {
  CONFIG_MAP,
  INFERENCE_SERVICE,
  KNATIVE_REVISION,
  KNATIVE_SERVICE,
  POD,
} from "./api/kinds.ts";
import type { KnativeRevision } from "./api/knative-revision.gen.ts";
import type { KnativeService } from "./api/knative-service.gen.ts";
import { LABEL_INFERENCE_SERVICE, predictorServiceName } from "./api/names.ts";
import type { Cluster, KubeObject } from "./cluster.ts";
import type { PredictorDefaults } from "./desired/container.ts";
import { desired } from "./desired/desired.ts";
import { type ClusterFacts, clusterFacts, type ConfigMapData } from "./desired/facts.ts";
import { isRefusal, type Refusal } from "./desired/refusal.ts";
import { satisfied, stamped } from "./intent.ts";
import { happenings } from "./observe/happenings.ts";
import { observe, sameStatus } from "./observe/observe.ts";
import type { Pod } from "./observe/pods.ts";
import { type Outcome, SETTLED } from "./outcome.ts";
import { refusalOf } from "./refused-write.ts";

export interface ReconcileContext {
  readonly cluster: Cluster;
  readonly defaults: PredictorDefaults;
  readonly knativeNamespace: string;
  /** Wall clock, for condition times only. */
  readonly now: () => Date;
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
  const isvc = cluster.get<InferenceService>(INFERENCE_SERVICE, namespace, name);
  if (isvc === undefined || isvc.metadata.deletionTimestamp !== undefined) {
    // Owner references take the children along; a finalizer would only be one more thing that can
    // get stuck.
    return SETTLED;
  }
  const wanted = desired(isvc, factsOf(context), context.defaults);
  const applied = isRefusal(wanted)
    ? { refusal: wanted, service: owned(isvc, cached(cluster, isvc)) }
    : await applyService(cluster, isvc, wanted.predictor);
  await writeStatus(context, isvc, applied);
  if (applied.refusal === undefined) {
    return SETTLED;
  }
  const { reason, message } = applied.refusal;
  return isRefusal(wanted)
    ? { kind: "refused", reason, message }
    : { kind: "waiting", afterMs: REFUSED_AGAIN_MS, reason };
}

interface Applied {
  readonly refusal?: Refusal;
  readonly service: KnativeService | undefined;
}

function cached(cluster: Cluster, isvc: InferenceService): KnativeService | undefined {
  const { namespace = "", name } = isvc.metadata;
  return cluster.get<KnativeService>(KNATIVE_SERVICE, namespace, predictorServiceName(name));
}

async function applyService(
  cluster: Cluster,
  isvc: InferenceService,
  predictor: KnativeService,
): Promise<Applied> {
  const wanted = stamped(predictor);
  const { namespace = "" } = wanted.metadata;
  const seen = cached(cluster, isvc);
  // The cache holds only what carries our label: before a first write, ask whether somebody else
  // has the name.
  const live =
    seen ?? (await cluster.read<KnativeService>(KNATIVE_SERVICE, namespace, wanted.metadata.name));
  if (live !== undefined && !isOwnedBy(live, isvc)) {
    return { refusal: nameConflict(live, isvc), service: undefined };
  }
  if (live !== undefined && satisfied(live, wanted)) {
    return { service: live };
  }
  try {
    return { service: await cluster.apply<KnativeService>(KNATIVE_SERVICE, wanted) };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) {
      throw error;
    }
    return { refusal, service: live };
  }
}

function isOwnedBy(child: KubeObject, isvc: InferenceService): boolean {
  return (
    child.metadata.ownerReferences?.some(
      (owner) => owner.controller === true && owner.uid === isvc.metadata.uid,
    ) ?? false
  );
}

function owned(
  isvc: InferenceService,
  child: KnativeService | undefined,
): KnativeService | undefined {
  return child !== undefined && isOwnedBy(child, isvc) ? child : undefined;
}

function nameConflict(foreign: KubeObject, isvc: InferenceService): Refusal {
  const { name, namespace, ownerReferences } = foreign.metadata;
  const predecessor = ownerReferences?.some(
    (owner) => owner.kind === INFERENCE_SERVICE.kind && owner.name === isvc.metadata.name,
  );
  return predecessor === true
    ? {
        reason: "PredecessorTerminating",
        message: `the Knative Service ${name} of a deleted InferenceService of this name has yet to be garbage-collected`,
      }
    : {
        reason: "NameConflict",
        message:
          `a Knative Service ${name} that does not belong to this InferenceService exists already and is left alone; ` +
          `rename the InferenceService, or: kubectl delete services.serving.knative.dev ${name} -n ${namespace}`,
      };
}

async function writeStatus(
  { cluster, now }: ReconcileContext,
  isvc: InferenceService,
  { refusal, service }: Applied,
): Promise<void> {
  const { namespace = "", name, uid } = isvc.metadata;
  const mine = <T extends KubeObject>(kind: typeof POD): readonly T[] =>
    cluster.labelled<T>(kind, namespace, LABEL_INFERENCE_SERVICE, name);
  const status: InferenceServiceStatus = observe({
    isvc,
    ...(refusal === undefined ? {} : { refusal }),
    ...(service === undefined ? {} : { service }),
    revisions: mine<KnativeRevision>(KNATIVE_REVISION),
    pods: mine<Pod>(POD),
    now: now()
      .toISOString()
      .replace(/\.\d+Z$/, "Z"),
  });
  if (sameStatus(isvc.status, status)) {
    return;
  }
  const { apiVersion, kind } = INFERENCE_SERVICE;
  // The uid makes this a write to that very object: one deleted and made again meanwhile is left
  // alone.
  const metadata = { name, namespace, ...(uid === undefined ? {} : { uid }) };
  await cluster.applyStatus(INFERENCE_SERVICE, {
    apiVersion,
    kind,
    metadata,
    status,
  } as KubeObject);
  for (const note of happenings(isvc.status, status)) {
    cluster.note(isvc, note);
  }
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
