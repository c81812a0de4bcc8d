/**
 * The cache of one kind: what the reflector saw last, frozen, found by name, by namespace and by
 * label.
 */
import type { KubeObject } from "../cluster.ts";
import { deepFreeze } from "./freeze.ts";
import { keyOf } from "./paths.ts";
import { isNewer } from "./resource-version.ts";

export type Change =
  | { readonly type: "added"; readonly object: KubeObject }
  | { readonly type: "updated"; readonly object: KubeObject; readonly before: KubeObject }
  | { readonly type: "deleted"; readonly object: KubeObject };

/** Makes an object smaller before it is kept. */
export type Transform = (object: KubeObject) => KubeObject;

/** Drops managedFields: often half of an object, and nobody here reads them. */
export function dropManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

export interface StoreOptions {
  readonly indexLabels?: readonly string[];
  readonly transform?: Transform;
}

export class Store {
  readonly #byKey = new Map<string, KubeObject>();
  /** Namespace, or "" for what has none → key → object. */
  readonly #byNamespace = new Map<string, Map<string, KubeObject>>();
  /** Namespace, label and value → key → object. */
  readonly #byLabel = new Map<string, Map<string, KubeObject>>();
  readonly #indexLabels: readonly string[];
  readonly #transform: Transform;

  constructor(options: StoreOptions = {}) {
    this.#indexLabels = options.indexLabels ?? [];
    this.#transform = options.transform ?? dropManagedFields;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Entries of the indexes, for whoever wants to see that they do not pile up. */
  get indexSize(): number {
    return this.#byNamespace.size + this.#byLabel.size;
  }

  get(namespace: string, name: string): KubeObject | undefined {
    return this.#byKey.get(`${namespace}/${name}`) ?? this.#byNamespace.get("")?.get(name);
  }

  list(namespace?: string): readonly KubeObject[] {
    if (namespace === undefined) return [...this.#byKey.values()];
    return [...(this.#byNamespace.get(namespace)?.values() ?? [])];
  }

  /** Through the index when `label` is one of indexLabels, else through the namespace's objects. */
  labelled(namespace: string, label: string, value: string): readonly KubeObject[] {
    if (this.#indexLabels.includes(label)) {
      return [...(this.#byLabel.get(labelKey(namespace, label, value))?.values() ?? [])];
    }
    return this.list(namespace).filter((object) => object.metadata.labels?.[label] === value);
  }

  /**
   * Takes an object in, unless what is kept is as new (F35). Another uid under the same name is
   * another object: the old one is reported deleted, then the new one added (F19).
   */
  upsert(incoming: KubeObject): readonly Change[] {
    const before = this.#byKey.get(keyOf(incoming));
    if (before !== undefined && !isNewer(versionOf(incoming), versionOf(before))) return [];
    return this.#put(this.prepare(incoming), before);
  }

  /** Takes an object out, unless what is kept is another or a newer one. */
  remove(gone: KubeObject): readonly Change[] {
    const kept = this.#byKey.get(keyOf(gone));
    if (kept === undefined || kept.metadata.uid !== gone.metadata.uid) return [];
    if (isNewer(versionOf(kept), versionOf(gone))) return [];
    return [this.#drop(kept)];
  }

  /**
   * The object as it is kept: smaller, and frozen. A list of many pages is held until its last page
   * has come.
   */
  prepare(object: KubeObject): KubeObject {
    return deepFreeze(this.#transform(object));
  }

  /**
   * Makes the cache (or one namespace of it) equal to a complete list of prepared objects, and says
   * what that changed.
   */
  replace(objects: readonly KubeObject[], namespace?: string): readonly Change[] {
    const changes: Change[] = [];
    const listed = new Set(objects.map(keyOf));
    for (const kept of this.list(namespace)) {
      if (!listed.has(keyOf(kept))) changes.push(this.#drop(kept));
    }
    for (const object of objects) {
      const before = this.#byKey.get(keyOf(object));
      const same =
        before?.metadata.uid === object.metadata.uid &&
        before !== undefined &&
        versionOf(before) === versionOf(object);
      if (!same) changes.push(...this.#put(object, before));
    }
    return changes;
  }

  #put(object: KubeObject, before: KubeObject | undefined): readonly Change[] {
    if (before === undefined) {
      this.#index(object);
      return [{ type: "added", object }];
    }
    const dropped = this.#drop(before);
    this.#index(object);
    if (before.metadata.uid !== object.metadata.uid) return [dropped, { type: "added", object }];
    return [{ type: "updated", object, before }];
  }

  #drop(object: KubeObject): Change {
    this.#byKey.delete(keyOf(object));
    this.#eachIndex(object, (index, indexKey) => {
      const entries = index.get(indexKey);
      entries?.delete(keyOf(object));
      // Empty entries go too, or namespaces that come and go would pile up (F27).
      if (entries?.size === 0) index.delete(indexKey);
    });
    return { type: "deleted", object };
  }

  #index(object: KubeObject): void {
    this.#byKey.set(keyOf(object), object);
    this.#eachIndex(object, (index, indexKey) => {
      const entries = index.get(indexKey) ?? new Map<string, KubeObject>();
      entries.set(keyOf(object), object);
      index.set(indexKey, entries);
    });
  }

  #eachIndex(
    object: KubeObject,
    visit: (index: Map<string, Map<string, KubeObject>>, indexKey: string) => void,
  ): void {
    const namespace = object.metadata.namespace ?? "";
    visit(this.#byNamespace, namespace);
    for (const label of this.#indexLabels) {
      const value = object.metadata.labels?.[label];
      if (value !== undefined) visit(this.#byLabel, labelKey(namespace, label, value));
    }
  }
}

/** A space can be in none of the three, so that no two triples share a key. */
function labelKey(namespace: string, label: string, value: string): string {
  return `${namespace} ${label} ${value}`;
}

function versionOf(object: KubeObject): string {
  return object.metadata.resourceVersion ?? "";
}
