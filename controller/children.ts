/** The Knative Services of an InferenceService: written, deleted, and told from other people's. */
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import { KNATIVE_SERVICE } from "./api/kinds.ts";
import type { KnativeService } from "./api/knative-service.gen.ts";
import {
  type ComponentName,
  COMPONENTS,
  componentServiceName,
  type PerComponent,
} from "./api/names.ts";
import type { Cluster, KubeObject } from "./cluster.ts";
import type { Refusal } from "./desired/refusal.ts";
import { satisfied, stamped } from "./intent.ts";
import { refusalOf } from "./refused-write.ts";

export interface Children {
  /** Why one of them could not be written; the others were. */
  readonly refusal?: Refusal;
  readonly services: PerComponent<KnativeService>;
}

/** Those that exist and are ours, from the cache. */
export function ownedServices(
  cluster: Cluster,
  isvc: InferenceService,
): PerComponent<KnativeService> {
  const found = COMPONENTS.flatMap((component) => {
    const service = cached(cluster, isvc, component);
    return service !== undefined && isOwnedBy(service, isvc) ? [[component, service] as const] : [];
  });
  return Object.fromEntries(found);
}

/**
 * Makes the Knative Services of `isvc` what `wanted` says: applies each that differs, deletes those
 * of ours that are no longer wanted.
 */
export async function applyServices(
  cluster: Cluster,
  isvc: InferenceService,
  wanted: PerComponent<KnativeService>,
): Promise<Children> {
  const services: Partial<Record<ComponentName, KnativeService>> = {};
  let refusal: Refusal | undefined;
  const existing = ownedServices(cluster, isvc);
  for (const component of COMPONENTS) {
    const [wish, gone] = [wanted[component], existing[component]];
    if (wish !== undefined) {
      const applied = await applyService(cluster, isvc, component, wish);
      refusal ??= applied.refusal;
      if (applied.service !== undefined) {
        services[component] = applied.service;
      }
    } else if (gone !== undefined && gone.metadata.deletionTimestamp === undefined) {
      await cluster.remove(KNATIVE_SERVICE, gone);
    }
  }
  return { ...(refusal === undefined ? {} : { refusal }), services };
}

interface Applied {
  readonly refusal?: Refusal;
  readonly service: KnativeService | undefined;
}

async function applyService(
  cluster: Cluster,
  isvc: InferenceService,
  component: ComponentName,
  wish: KnativeService,
): Promise<Applied> {
  const wanted = stamped(wish);
  const seen = cached(cluster, isvc, component);
  return seen === undefined
    ? applyUnseen(cluster, isvc, wanted)
    : applyOver(cluster, isvc, { live: seen, wanted });
}

/** The cache holds only what carries our label: somebody else's may have the name. */
async function applyUnseen(
  cluster: Cluster,
  isvc: InferenceService,
  wanted: KnativeService,
): Promise<Applied> {
  const { namespace = "", name } = wanted.metadata;
  try {
    const service = await cluster.applyNew<KnativeService>(KNATIVE_SERVICE, wanted);
    if (service !== undefined) return { service };
  } catch (error) {
    return refused(error, undefined);
  }
  const live = await cluster.read<KnativeService>(KNATIVE_SERVICE, namespace, name);
  return applyOver(cluster, isvc, { live, wanted });
}

async function applyOver(
  cluster: Cluster,
  isvc: InferenceService,
  { live, wanted }: { readonly live: KnativeService | undefined; readonly wanted: KnativeService },
): Promise<Applied> {
  if (live !== undefined && !isOwnedBy(live, isvc)) {
    return { refusal: nameConflict(live, isvc), service: undefined };
  }
  if (live?.metadata.deletionTimestamp !== undefined) {
    return { refusal: terminating(live), service: undefined };
  }
  if (live !== undefined && satisfied(live, wanted)) {
    return { service: live };
  }
  try {
    return { service: await cluster.apply<KnativeService>(KNATIVE_SERVICE, wanted) };
  } catch (error) {
    return refused(error, live);
  }
}

/** @throws {unknown} `error` itself, where trying again cures it. */
function refused(error: unknown, service: KnativeService | undefined): Applied {
  const refusal = refusalOf(error);
  if (refusal === undefined) {
    throw error;
  }
  return { refusal, service };
}

function cached(
  cluster: Cluster,
  isvc: InferenceService,
  component: ComponentName,
): KnativeService | undefined {
  const { namespace = "", name } = isvc.metadata;
  return cluster.get(KNATIVE_SERVICE, namespace, componentServiceName(name, component));
}

function isOwnedBy(child: KubeObject, isvc: InferenceService): boolean {
  return (
    child.metadata.ownerReferences?.some(
      (owner) => owner.controller === true && owner.uid === isvc.metadata.uid,
    ) ?? false
  );
}

function nameConflict(foreign: KubeObject, isvc: InferenceService): Refusal {
  const { name, namespace, ownerReferences } = foreign.metadata;
  const predecessor = ownerReferences?.some(
    ({ apiVersion, kind, name: owner }) =>
      apiVersion === isvc.apiVersion && kind === isvc.kind && owner === isvc.metadata.name,
  );
  return predecessor === true
    ? terminating(foreign)
    : {
        reason: "NameConflict",
        message:
          `a Knative Service ${name} that does not belong to this InferenceService exists already and is left alone; ` +
          `rename the InferenceService, or: kubectl delete services.serving.knative.dev ${name} -n ${namespace}`,
      };
}

function terminating({ metadata }: KubeObject): Refusal {
  return {
    reason: "PredecessorTerminating",
    message: `the Knative Service ${metadata.name} of before has yet to be garbage-collected`,
  };
}
