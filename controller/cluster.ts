/**
 * The cluster as reconcile sees it: an interface that the controller owns and that kube/
 * implements. Reads come from a watched cache and never block; writes are server-side apply.
 */

/** One kind of object, as the API server serves it. */
export interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly unknown[];
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** What a watched cache holds. Objects are frozen: whoever wants to change one makes another. */
export interface Cache {
  get<T extends KubeObject>(kind: Kind, namespace: string, name: string): T | undefined;
  list<T extends KubeObject>(kind: Kind, namespace?: string): readonly T[];
  /** Objects of `kind` in `namespace` that carry the label `key=value`. */
  labelled<T extends KubeObject>(
    kind: Kind,
    namespace: string,
    key: string,
    value: string,
  ): readonly T[];
}

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** PascalCase, machine-readable. */
  readonly reason: string;
  readonly message: string;
}

/**
 * Writes. Each rejects with ApiError (kube/errors.ts) when the API server refuses, and with the
 * transport's error when no answer came: the caller throws it on, and the work queue tries again
 * later.
 */
export interface Writer {
  /**
   * Live GET, for what the cache may lack because it is filtered. Undefined when absent.
   */
  read<T extends KubeObject>(kind: Kind, namespace: string, name: string): Promise<T | undefined>;
  /** The same of the metadata alone: what else the object holds is not sent. */
  readMetadata(kind: Kind, namespace: string, name: string): Promise<ObjectMeta | undefined>;
  /** Server-side apply by our field manager, forced: only the fields in `object` become ours. */
  apply<T extends KubeObject>(kind: Kind, object: KubeObject): Promise<T>;
  /**
   * The same for a custom resource that should not exist yet: undefined, and nothing is written,
   * where one of that name does.
   */
  applyNew<T extends KubeObject>(kind: Kind, object: KubeObject): Promise<T | undefined>;
  /**
   * `apply` of the status that was worked out for `seen`: undefined, and nothing is written, where
   * that object has changed since, is gone, or has a successor of the same name. An event of the
   * change is on its way then, and with it the next look.
   */
  applyStatus<T extends KubeObject>(
    kind: Kind,
    seen: KubeObject,
    status: unknown,
  ): Promise<T | undefined>;
  /** Deletes that very object (uid precondition); absent already is success. */
  remove(kind: Kind, object: KubeObject): Promise<void>;
  /**
   * Publishes an Event about `regarding`; repeats of the same note are aggregated, failures only
   * logged.
   */
  note(regarding: KubeObject, note: EventNote): void;
}

export type Cluster = Cache & Writer;
