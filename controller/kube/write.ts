/**
 * Writes and live reads: server-side apply by one field manager, deletes with a uid precondition.
 */
import assert from "node:assert";
import type { Kind, KubeObject, ObjectMeta } from "../cluster.ts";
import { LeaseLostError, isConflict, isNotFound, isStatus } from "./errors.ts";
import { deepFreeze } from "./freeze.ts";
import type { KubeMetrics } from "./hooks.ts";
import type { KubeHttp } from "./http.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { readMetadata, readObject } from "./read.ts";

export const FIELD_MANAGER = "pilotlight-controller";
const APPLY_TYPE = "application/apply-patch+yaml";
/**
 * The version of what doesn't exist: with it, an apply creates a custom resource or is refused, as
 * they can't be updated without the version that they have (AllowUnconditionalUpdate is false in
 * apiextensions-apiserver's customresource strategy).
 */
const NOT_YET = { resourceVersion: "0" };
/**
 * Otherwise the API server reads every apply a second time, to warn of fields that it doesn't know:
 * a warning that goes to a person's kubectl, and that nobody reads here.
 */
const FIELD_VALIDATION = "Ignore";
const WRITE_DEADLINE_MS = 10_000;

/** The lease, as a writer sees it. */
export interface Fence {
  /** Whether this process may write now. */
  mayWrite(): boolean;
  /** For how long an answer to a write sent now may be waited for, before another may be leader. */
  remainingMs(): number;
}

/** For programs that are alone. */
export const noFence: Fence = { mayWrite: () => true, remainingMs: () => Infinity };

export interface WriteOptions {
  readonly http: Pick<KubeHttp, "json">;
  readonly fence: Fence;
  readonly metrics: KubeMetrics;
  readonly fieldManager?: string;
  /** Told of each write that the API server accepted. */
  readonly onWrite?: (kind: Kind, written: KubeObject, verb: "apply" | "delete") => void;
}

export interface Writes {
  readonly read: (kind: Kind, namespace: string, name: string) => Promise<KubeObject | undefined>;
  readonly readMetadata: (
    kind: Kind,
    namespace: string,
    name: string,
  ) => Promise<ObjectMeta | undefined>;
  readonly apply: (kind: Kind, object: KubeObject) => Promise<KubeObject>;
  readonly applyNew: (kind: Kind, object: KubeObject) => Promise<KubeObject | undefined>;
  readonly applyStatus: (
    kind: Kind,
    seen: KubeObject,
    status: unknown,
  ) => Promise<KubeObject | undefined>;
  readonly remove: (kind: Kind, object: KubeObject) => Promise<void>;
}

type Patch = (kind: Kind, object: KubeObject, sub?: "status") => Promise<KubeObject>;

function patchWith({ http, fence, metrics, onWrite, ...options }: WriteOptions): Patch {
  const fieldManager = options.fieldManager ?? FIELD_MANAGER;
  return async (kind, object, sub) => {
    const { namespace, name } = object.metadata;
    const written = await http.json<KubeObject>({
      method: "PATCH",
      path: objectPath(kind, namespace ?? "", name, sub),
      query: { fieldManager, force: true, fieldValidation: FIELD_VALIDATION },
      contentType: APPLY_TYPE,
      body: object,
      ...fenced(fence),
    });
    metrics.wrote(kind.kind, sub === undefined ? "apply" : "apply_status");
    onWrite?.(kind, written, "apply");
    return deepFreeze(written);
  };
}

/** See Writer in ../cluster.ts. Also rejects with LeaseLostError, and then nothing was sent. */
export function createWrites(options: WriteOptions): Writes {
  const { http, metrics, onWrite } = options;
  const patch = patchWith(options);

  return {
    read: async (...where) => deepFreeze(await readObject(http, objectPath(...where))),
    readMetadata: async (...where) => deepFreeze(await readMetadata(http, ...where)),
    apply: (kind, object) => patch(kind, object),
    async applyNew(kind, object) {
      try {
        const wanted = { ...object, metadata: { ...object.metadata, ...NOT_YET } };
        return await patch(kind, wanted);
      } catch (error) {
        if (isConflict(error) || isRefusedVersion(error)) return undefined;
        throw error;
      }
    },
    async applyStatus(kind, seen, status) {
      try {
        return await patch(kind, statusOf(kind, seen, status), "status");
      } catch (error) {
        if (isConflict(error) || isNotFound(error)) return undefined;
        throw error;
      }
    },
    async remove(kind, object) {
      const { namespace, name, uid } = object.metadata;
      assert(
        uid !== undefined,
        `remove of ${collectionPath(kind, namespace)}/${name} needs its uid`,
      );
      try {
        await http.json({
          method: "DELETE",
          path: objectPath(kind, namespace ?? "", name),
          body: {
            apiVersion: "v1",
            kind: "DeleteOptions",
            propagationPolicy: "Background",
            preconditions: { uid },
          },
          ...fenced(options.fence),
        });
      } catch (error) {
        // Not found: absent already. Conflict: the uid is another's, so that very object is absent
        // too.
        if (!isNotFound(error) && !isConflict(error)) throw error;
        return;
      }
      metrics.wrote(kind.kind, "delete");
      onWrite?.(kind, object, "delete");
    },
  };
}

/**
 * The resourceVersion makes it a write to what was seen. A uid alone would not: the status
 * subresource takes the metadata from the live object, and a late write would tell of a service
 * that is gone in the status of its successor.
 */
function statusOf(kind: Kind, seen: KubeObject, status: unknown): KubeObject {
  const { namespace, name, uid, resourceVersion } = seen.metadata;
  assert(
    uid !== undefined && resourceVersion !== undefined,
    `a status of ${collectionPath(kind, namespace)}/${name} needs the object as it was read`,
  );
  const metadata = {
    ...(namespace === undefined ? {} : { namespace }),
    name,
    uid,
    resourceVersion,
  };
  return { apiVersion: kind.apiVersion, kind: kind.kind, metadata, status } as KubeObject;
}

function isRefusedVersion(error: unknown): boolean {
  return (
    isStatus(error, 422) &&
    error.details?.causes?.some(({ field }) => field === "metadata.resourceVersion") === true
  );
}

/**
 * The check is the last thing before the request leaves, and its answer is not waited for beyond
 * the lease (F12, F13).
 */
export function fenced(fence: Fence): { beforeSend: () => void; deadlineMs: number } {
  return {
    deadlineMs: Math.max(1, Math.min(WRITE_DEADLINE_MS, fence.remainingMs())),
    beforeSend: () => {
      if (!fence.mayWrite()) {
        throw new LeaseLostError("not the leader (any more): the write was not sent");
      }
    },
  };
}
