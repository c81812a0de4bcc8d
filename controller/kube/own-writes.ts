/**
 * What the answer to an own write means: the cache may hold it at once, and the watch's word of it
 * is no reason to reconcile again.
 */
import type { KubeObject } from "../cluster.ts";
import { isNewer } from "./resource-version.ts";
import type { Change } from "./store.ts";
import type { WriteVerb } from "./write.ts";

/** A watch, as far as it matters here. */
export interface Following {
  readonly labelSelector: string | undefined;
  readonly reflector: { hasSynced(): boolean; lastSyncRV(): string | undefined };
}

/**
 * Whether the watch will yet show `written`, so that the cache may hold it already. What the watch
 * is past may have been deleted since: that would come back and never go.
 */
export function showsWrite({ labelSelector, reflector }: Following, written: KubeObject): boolean {
  const { labels = {}, resourceVersion = "" } = written.metadata;
  // Of selectors, only the one that asks for a label of any value is understood.
  if (labelSelector !== undefined && !(labelSelector in labels)) return false;
  const seen = reflector.lastSyncRV();
  return reflector.hasSynced() && seen !== undefined && isNewer(resourceVersion, seen);
}

/** The writes of the reconciles that run, by queue key. */
export class OwnWrites {
  readonly #verbs = new Map<string, Map<string, WriteVerb>>();

  wrote(key: string, written: KubeObject, verb: WriteVerb): void {
    const verbs = this.#verbs.get(key) ?? new Map<string, WriteVerb>();
    this.#verbs.set(key, verbs.set(versionOf(written), verb));
  }

  /** Whether `change` is what the reconcile of `key` wrote, and nothing else with it. */
  explain(key: string, change: Change): boolean {
    const verb = this.#verbs.get(key)?.get(versionOf(change.object));
    return verb !== undefined && holdsNothingNew(change, verb);
  }

  /** The reconcile of `key` is over. */
  forget(key: string): void {
    this.#verbs.delete(key);
  }
}

function versionOf({ metadata: { uid, resourceVersion } }: KubeObject): string {
  return `${uid} ${resourceVersion}`;
}

/**
 * An answer also holds what others wrote since the cache last heard of the object, and of that the
 * watch will not tell any more.
 */
function holdsNothingNew(change: Change, verb: WriteVerb): boolean {
  if (verb === "create") return change.type === "added";
  return (
    verb === "apply_status" &&
    change.type === "updated" &&
    withoutStatus(change.before) === withoutStatus(change.object)
  );
}

/** As the API server writes objects, equal ones are equal texts. */
function withoutStatus(object: KubeObject): string {
  const { metadata, status: _, ...rest } = object as KubeObject & { readonly status?: unknown };
  const { resourceVersion: _version, managedFields: _managers, ...kept } = metadata;
  return JSON.stringify([kept, rest]);
}
