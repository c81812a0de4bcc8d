/**
 * A cluster in memory for the real reconcile: applied objects lie in it, what Knative and the
 * kubelet would do is done by the test, and each status that is written is kept.
 */
import assert from "node:assert/strict";
import { INFERENCE_SERVICE } from "../../controller/api/kinds.ts";
import type {
  InferenceService,
  InferenceServiceStatus,
} from "../../controller/api/inferenceservice.gen.ts";
import { canonical } from "../../controller/canonical.ts";
import type { Cluster, EventNote, Kind, KubeObject, ObjectMeta } from "../../controller/cluster.ts";
import type { ModelDigests } from "../../controller/model-digests.ts";
import { reconcile, type ReconcileContext } from "../../controller/reconcile.ts";
import type { Meter } from "../../controller/rollout/metrics.ts";
import { builtIns } from "../../controller/runtimes.ts";

type Specified = KubeObject & { readonly spec?: unknown; readonly status?: unknown };

const IMAGE = "pilotlight/predictor:test";

/** Nobody tells anything. */
export const NO_DIGESTS: ModelDigests = {
  of: () => new Map(),
  forget: () => {},
  close: () => Promise.resolve(),
};

/** Nobody counts. */
export const NO_METER: Meter = {
  measure: () => Promise.resolve("no pod was asked"),
  forget: () => {},
  close: () => Promise.resolve(),
};

export class MemoryCluster implements Cluster {
  /** Each status that was written, in order. */
  readonly statuses: InferenceServiceStatus[] = [];
  readonly notes: EventNote[] = [];
  readonly #objects = new Map<string, Specified>();
  #made = 0;

  get<T extends KubeObject>(kind: Kind, namespace: string, name: string): T | undefined {
    return this.#objects.get(keyOf(kind, namespace, name)) as T | undefined;
  }

  list<T extends KubeObject>(kind: Kind, namespace?: string): readonly T[] {
    const all = [...this.#objects.values()].filter(
      (object) =>
        object.apiVersion === kind.apiVersion &&
        object.kind === kind.kind &&
        (namespace === undefined || object.metadata.namespace === namespace),
    );
    return all as readonly KubeObject[] as readonly T[];
  }

  labelled<T extends KubeObject>(
    kind: Kind,
    namespace: string,
    key: string,
    value: string,
  ): readonly T[] {
    return this.list<T>(kind, namespace).filter(({ metadata }) => metadata.labels?.[key] === value);
  }

  read<T extends KubeObject>(kind: Kind, namespace: string, name: string): Promise<T | undefined> {
    return Promise.resolve(this.get<T>(kind, namespace, name));
  }

  readMetadata(kind: Kind, namespace: string, name: string): Promise<ObjectMeta | undefined> {
    return Promise.resolve(this.get(kind, namespace, name)?.metadata);
  }

  /** Everything that is not said stays, as it does for fields of others. */
  apply<T extends KubeObject>(kind: Kind, object: KubeObject): Promise<T> {
    const before = this.#objects.get(keyOf(kind, object.metadata.namespace, object.metadata.name));
    const { spec } = object as Specified;
    const changed = canonical(before?.spec ?? null) !== canonical(spec ?? null);
    const generation = (before?.metadata.generation ?? 0) + (changed ? 1 : 0);
    const uid = before?.metadata.uid ?? `made-${(this.#made += 1)}`;
    const metadata = { uid, ...before?.metadata, ...object.metadata, generation };
    return Promise.resolve(this.put({ ...before, ...object, metadata }) as T);
  }

  /** Every object is seen by `get` here: what is new is nobody's. */
  applyNew<T extends KubeObject>(kind: Kind, object: KubeObject): Promise<T> {
    return this.apply(kind, object);
  }

  applyStatus<T extends KubeObject>(
    kind: Kind,
    seen: KubeObject,
    status: unknown,
  ): Promise<T | undefined> {
    const { namespace, name } = seen.metadata;
    const before = this.#objects.get(keyOf(kind, namespace, name));
    if (before !== seen) return Promise.resolve(undefined);
    // As the API server would keep it: a field that is undefined is none.
    const kept = JSON.parse(JSON.stringify(status)) as InferenceServiceStatus;
    this.statuses.push(kept);
    return Promise.resolve(this.put({ ...before, status: kept } as KubeObject) as T);
  }

  remove(kind: Kind, { metadata: { namespace, name } }: KubeObject): Promise<void> {
    this.#objects.delete(keyOf(kind, namespace, name));
    return Promise.resolve();
  }

  note(_regarding: KubeObject, note: EventNote): void {
    this.notes.push(note);
  }

  /** Puts an object there as somebody else would. It comes last in every list, as in a cache. */
  put<T extends KubeObject>(object: T): T {
    const key = keyOf(object, object.metadata.namespace, object.metadata.name);
    this.#objects.delete(key);
    this.#objects.set(key, object);
    return object;
  }
}

function keyOf(
  { apiVersion, kind }: { readonly apiVersion: string; readonly kind: string },
  namespace: string | undefined,
  name: string,
): string {
  return [apiVersion, kind, namespace ?? "", name].join("/");
}

type Parts = Pick<ReconcileContext, "now" | "meter" | "digests">;

/** A reconcile of default/iris, whose clock and pods are the test's. */
export async function reconcileOnce(cluster: MemoryCluster, parts: Parts): Promise<void> {
  const context: ReconcileContext = {
    cluster,
    defaults: { image: IMAGE, resources: {} },
    runtimes: {
      kinds: { namespaced: [], cluster: [] },
      builtIn: builtIns({ predictorImage: IMAGE, thirdParty: false, images: {} }),
      updates: "OnRequest",
    },
    kserveCompatibility: false,
    knativeNamespace: "knative-serving",
    ...parts,
  };
  await reconcile(context, "default", "iris");
}

/**
 * The same; and a second one, as what the first wrote brings it about, must have nothing left to
 * write.
 */
export async function reconcileIris(cluster: MemoryCluster, parts: Parts): Promise<void> {
  await reconcileOnce(cluster, parts);
  const written = cluster.statuses.length;
  await reconcileOnce(cluster, parts);
  assert.equal(cluster.statuses.length, written, "a second reconcile wrote another status");
}

/** The InferenceService default/iris as somebody would apply it. */
export function irisService(predictor: object): InferenceService {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  return {
    apiVersion,
    kind,
    metadata: {
      name: "iris",
      namespace: "default",
      uid: "u1",
      generation: 1,
      creationTimestamp: "2026-11-22T12:00:00Z",
    },
    spec: {
      predictor: {
        model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris/" },
        ...predictor,
      },
    },
  };
}
