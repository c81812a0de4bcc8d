/**
 * What the controller watches, how much of it is kept, and which InferenceService each change
 * concerns.
 */
import {
  CONFIG_MAP,
  KNATIVE_REVISION,
  KNATIVE_SERVICE,
  NODE,
  POD,
  SERVICE_ACCOUNT,
} from "./api/kinds.ts";
import { inferenceServiceKinds } from "./api/kserve.ts";
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import { LABEL_INFERENCE_SERVICE } from "./api/names.ts";
import type { Cache, KubeObject } from "./cluster.ts";
import { credentialsAccount } from "./desired/account-secrets.ts";
import { modelOf } from "./desired/framework.ts";
import { KNATIVE_CONFIG_MAPS } from "./desired/facts.ts";
import type { Node } from "./desired/nodes.ts";
import type { WatchedKind } from "./kube/cluster.ts";
import type { WatchMapping } from "./kube/manager.ts";
import { withAuthorsOnly } from "./observe/author.ts";
import type { Pod } from "./observe/pods.ts";
import { runtimeKinds } from "./runtimes.ts";

export interface Scope {
  /** Empty means all namespaces. */
  readonly watchNamespaces: readonly string[];
  readonly knativeNamespace: string;
  /** Whether KServe's group is served as well. */
  readonly kserveCompatibility: boolean;
}

/**
 * Kinds to cache: our own whole, Knative's and pods by our label, Knative's configuration in its
 * namespace.
 */
export function watchedKinds(scope: Scope): readonly WatchedKind[] {
  const runtimes = runtimeKinds(scope);
  const children = {
    labelSelector: LABEL_INFERENCE_SERVICE,
    indexLabels: [LABEL_INFERENCE_SERVICE],
  };
  const everywhere: readonly WatchedKind[] = [
    ...inferenceServiceKinds(scope.kserveCompatibility).map((kind) => ({
      kind,
      transform: (object: KubeObject) => ({
        ...object,
        metadata: withAuthorsOnly(object.metadata),
      }),
    })),
    // Optional: a chart of before has no definition of theirs, and Helm never upgrades crds/ alone.
    ...runtimes.namespaced.map((kind) => ({ kind, optional: true })),
    { kind: KNATIVE_SERVICE, ...children, optional: true },
    { kind: KNATIVE_REVISION, ...children, optional: true },
    { kind: POD, ...children, transform: (object) => slimPod(object) },
    // Optional: who may not see them serves models whose stores need no credentials of theirs.
    ...(scope.kserveCompatibility ? [{ kind: SERVICE_ACCOUNT, optional: true }] : []),
  ];
  const scoped =
    scope.watchNamespaces.length === 0
      ? everywhere
      : scope.watchNamespaces.flatMap((namespace) =>
          everywhere.map((watched) => ({ ...watched, namespace })),
        );
  return [
    ...scoped,
    ...runtimes.cluster.map((kind) => ({ kind, optional: true })),
    { kind: CONFIG_MAP, namespace: scope.knativeNamespace },
    ...(seesNodes(scope)
      ? [{ kind: NODE, optional: true, transform: (object: Node) => slimNode(object) }]
      : []),
  ];
}

/** Nodes are the whole cluster's: who serves some namespaces has no right to see them. */
function seesNodes(scope: Scope): boolean {
  return scope.watchNamespaces.length === 0;
}

/** Keys (`namespace/name`) of the InferenceServices that a changed object concerns. */
export function watchMappings(cache: Cache, scope: Scope): readonly WatchMapping[] {
  const kinds = inferenceServiceKinds(scope.kserveCompatibility);
  const runtimes = runtimeKinds(scope);
  const all = (namespace?: string): readonly InferenceService[] =>
    kinds.flatMap((kind) => cache.list<InferenceService>(kind, namespace));
  const byLabel = ({ metadata }: KubeObject): readonly string[] => {
    const name = metadata.labels?.[LABEL_INFERENCE_SERVICE];
    return name === undefined ? [] : [`${metadata.namespace ?? ""}/${name}`];
  };
  return [
    ...kinds.map((kind) => ({ kind, keys: (object: KubeObject) => [keyOf(object)] })),
    ...[...runtimes.namespaced, ...runtimes.cluster].map((kind) => ({
      kind,
      keys: (object: KubeObject) => runtimeUsers(all(object.metadata.namespace)),
    })),
    { kind: KNATIVE_SERVICE, keys: byLabel },
    { kind: KNATIVE_REVISION, keys: byLabel },
    { kind: POD, keys: byLabel },
    ...(scope.kserveCompatibility
      ? [
          {
            kind: SERVICE_ACCOUNT,
            keys: ({ metadata: { namespace, name } }: KubeObject) =>
              all(namespace)
                .filter((isvc) => credentialsAccount(isvc) === name)
                .map(keyOf),
          },
        ]
      : []),
    {
      kind: CONFIG_MAP,
      // A flag that was switched concerns whoever was refused for it, and everybody else as well.
      keys: ({ metadata }) => (KNATIVE_CONFIG_MAPS.includes(metadata.name) ? all().map(keyOf) : []),
    },
    ...(seesNodes(scope)
      ? [
          {
            kind: NODE,
            keys: () => all().filter(isUnschedulable).map(keyOf),
          },
        ]
      : []),
  ];
}

/**
 * Who runs on a runtime, or could: every InferenceService with a model where the runtime can be
 * seen. Which of them it is for, and whether anything comes of it, is desired/'s to say.
 */
function runtimeUsers(all: readonly InferenceService[]): readonly string[] {
  return all.filter(({ spec }) => modelOf(spec.predictor) !== undefined).map(keyOf);
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** Whoever was told what the nodes lack. */
function isUnschedulable({ status }: InferenceService): boolean {
  return status?.conditions?.some(({ reason }) => reason === "Unschedulable") ?? false;
}

function slimNode({ apiVersion, kind, metadata, spec, status }: Node): Node {
  const { name, uid, resourceVersion, labels } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(labels === undefined ? {} : { labels }),
    },
    ...(spec?.taints === undefined ? {} : { spec: { taints: spec.taints } }),
    ...(status?.allocatable === undefined ? {} : { status: { allocatable: status.allocatable } }),
  };
}

/**
 * A pod without its spec and all that observe/ does not read: most of what a cache of pods would
 * weigh.
 */
function slimPod(pod: Pod): Pod {
  const { apiVersion, kind, metadata, status } = pod;
  const { managedFields: _fields, annotations: _annotations, ...kept } = metadata;
  return {
    apiVersion,
    kind,
    metadata: kept,
    ...(status === undefined
      ? {}
      : {
          status: {
            ...(status.phase === undefined ? {} : { phase: status.phase }),
            ...(status.podIP === undefined ? {} : { podIP: status.podIP }),
            ...(status.conditions === undefined ? {} : { conditions: status.conditions }),
            ...(status.initContainerStatuses === undefined
              ? {}
              : { initContainerStatuses: status.initContainerStatuses }),
            ...(status.containerStatuses === undefined
              ? {}
              : { containerStatuses: status.containerStatuses }),
          },
        }),
  };
}
