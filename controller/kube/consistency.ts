/**
 * Read-your-writes for a cache (KEP-5647): remembers the resourceVersion of each own write per
 * queue key, and says whether the cache has caught up. A reconcile that ran before that would
 * decide on the world as it was before its own writes (F01).
 */
import type { Kind, KubeObject } from "../cluster.ts";
import { isNewer } from "./resource-version.ts";

/** What the cache knows; implemented by the cluster. */
export interface Seen {
  /**
   * Undefined when the kind (or that namespace of it) is not watched: there is nothing to wait for.
   */
  lastSyncRV(kind: Kind, namespace: string | undefined): string | undefined;
  get(kind: Kind, namespace: string, name: string): KubeObject | undefined;
}

interface Write {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string | undefined;
  /** Undefined: the object was deleted. */
  readonly resourceVersion: string | undefined;
}

/** Of one key; more distinct objects than that are not written in one reconcile. */
const WRITES_PER_KEY_MAX = 256;

export class Consistency {
  readonly #seen: Seen;
  /** Queue key → object → its last write. Empty entries are removed. */
  readonly #writes = new Map<string, Map<string, Write>>();

  constructor(seen: Seen) {
    this.#seen = seen;
  }

  /** `written` is the API server's answer to an apply. */
  wrote(key: string, kind: Kind, written: KubeObject): void {
    this.#remember(key, kind, written, written.metadata.resourceVersion);
  }

  removed(key: string, kind: Kind, object: KubeObject): void {
    this.#remember(key, kind, object, undefined);
  }

  /** Whether the cache holds every write made for `key`, or something newer. */
  caughtUp(key: string): boolean {
    const writes = this.#writes.get(key);
    if (writes === undefined) return true;
    for (const [object, write] of writes) {
      if (this.#isSeen(write)) writes.delete(object);
    }
    if (writes.size > 0) return false;
    this.#writes.delete(key);
    return true;
  }

  /** Stops waiting: for a key that is gone, or a cache that will never show the write. */
  forget(key: string): void {
    this.#writes.delete(key);
  }

  get size(): number {
    return this.#writes.size;
  }

  #remember(key: string, kind: Kind, object: KubeObject, version: string | undefined): void {
    const { namespace, name, uid } = object.metadata;
    if (this.#seen.lastSyncRV(kind, namespace) === undefined) return;
    const writes = this.#writes.get(key) ?? new Map<string, Write>();
    writes.set(`${kind.apiVersion} ${kind.plural} ${namespace ?? ""}/${name}`, {
      kind,
      namespace,
      name,
      uid,
      resourceVersion: version,
    });
    const [oldest] = writes.keys();
    if (writes.size > WRITES_PER_KEY_MAX && oldest !== undefined) writes.delete(oldest);
    this.#writes.set(key, writes);
  }

  #isSeen({ kind, namespace, name, uid, resourceVersion }: Write): boolean {
    const cached = this.#seen.get(kind, namespace ?? "", name);
    if (resourceVersion === undefined) return cached === undefined || cached.metadata.uid !== uid;
    const known = cached?.metadata.resourceVersion;
    if (known !== undefined && !isNewer(resourceVersion, known)) return true;
    // Not the object itself but something later: it was deleted since, or the selector hides it.
    const synced = this.#seen.lastSyncRV(kind, namespace);
    return synced === undefined || !isNewer(resourceVersion, synced);
  }
}
