/** The runtimes that an InferenceService may be served by: the cluster's and the program's. */
import { CLUSTER_SERVING_RUNTIME, SERVING_RUNTIME } from "./api/kinds.ts";
import { kserveKind } from "./api/kserve.ts";
import type { ServingRuntime } from "./api/servingruntime.gen.ts";
import type { Cache, Kind } from "./cluster.ts";
import { builtInRuntimes, type BuiltInSettings } from "./desired/builtin-runtimes.ts";
import type { Runtime } from "./desired/runtimes.ts";
import { digestOf } from "./digest.ts";

/** The built-in ones as desired/ takes them; worked out once, they never change. */
export function builtIns(settings: BuiltInSettings): readonly Runtime[] {
  return Object.entries(builtInRuntimes(settings)).map(([name, spec]) => ({
    kind: "BuiltIn",
    name,
    digest: digestOf(spec),
    spec,
  }));
}

/** Kinds of runtimes that are watched. */
export interface RuntimeKinds {
  readonly namespaced: readonly Kind[];
  readonly cluster: readonly Kind[];
}

/** A controller that may look into some namespaces alone sees no cluster-wide ones. */
export function runtimeKinds(scope: {
  readonly watchNamespaces: readonly string[];
  readonly kserveCompatibility: boolean;
}): RuntimeKinds {
  const both = (kind: Kind): readonly Kind[] =>
    scope.kserveCompatibility ? [kind, kserveKind(kind)] : [kind];
  return {
    namespaced: both(SERVING_RUNTIME),
    cluster: scope.watchNamespaces.length === 0 ? both(CLUSTER_SERVING_RUNTIME) : [],
  };
}

/** Those of the namespace, of the cluster, and built in. */
export function runtimesFor(
  cache: Cache,
  namespace: string,
  kinds: RuntimeKinds,
  builtIn: readonly Runtime[],
): readonly Runtime[] {
  const list = (kind: Kind, where?: string): readonly Runtime[] =>
    cache.list<ServingRuntime>(kind, where).map(asRuntime);
  return [
    ...kinds.namespaced.flatMap((kind) => list(kind, namespace)),
    ...kinds.cluster.flatMap((kind) => list(kind)),
    ...builtIn,
  ];
}

/** What lies in a cache is frozen: the same object has the same digest. */
const digests = new WeakMap<ServingRuntime, string>();

/** An object as desired/ takes it. */
export function asRuntime(object: ServingRuntime): Runtime {
  const { kind, metadata, spec } = object;
  const digest = digests.get(object) ?? digestOf(spec);
  digests.set(object, digest);
  return {
    kind: kind as Runtime["kind"],
    name: metadata.name,
    ...(metadata.creationTimestamp === undefined ? {} : { createdAt: metadata.creationTimestamp }),
    digest,
    spec,
  };
}
