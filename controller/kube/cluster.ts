/**
 * The cluster as reconcile sees it (../cluster.ts), made of watched caches, server-side apply and
 * Events. Reads of a kind that is not watched are a mistake of ours and throw.
 */
import assert from "node:assert";
import type { Cluster, EventNote, Kind, KubeObject } from "../cluster.ts";
import { systemClock, type Clock, type Random, type Timer } from "./clock.ts";
import { Consistency } from "./consistency.ts";
import { EventRecorder } from "./events.ts";
import { noMetrics, type KubeMetrics, type Log } from "./hooks.ts";
import type { KubeHttp } from "./http.ts";
import { currentKey } from "./reconcile-scope.ts";
import { createReflector, type Reflector, type ReflectorStatus } from "./reflector.ts";
import { Store, type Change, type Transform } from "./store.ts";
import { createWrites, noFence, type Fence } from "./write.ts";

export interface WatchedKind {
  readonly kind: Kind;
  /** Only this namespace. One entry per namespace when there are several (F37). */
  readonly namespace?: string;
  readonly labelSelector?: string;
  /**
   * Makes objects smaller before they are cached; drops managedFields unless told. Must not throw.
   */
  readonly transform?: Transform;
  /**
   * Whether a cluster that does not serve this kind, or denies it to us, counts as synced: reads
   * find nothing then, and a write says 404 (F23).
   */
  readonly optional?: boolean;
  /** Labels by which `labelled` finds objects without walking the namespace. */
  readonly indexLabels?: readonly string[];
}

/** What a handler is told: a change, or that a resync wants the object looked at again. */
export type CacheEvent = Change | { readonly type: "resync"; readonly object: KubeObject };
export type CacheHandler = (event: CacheEvent) => void;

export interface ClusterOptions {
  readonly http: KubeHttp;
  readonly kinds: readonly WatchedKind[];
  /** The pod's name: who speaks in Events. */
  readonly reportingInstance: string;
  readonly log: Log;
  readonly fieldManager?: string;
  /** Without one, this process writes whenever it likes. */
  readonly fence?: Fence;
  /** How often every object is handed to the handlers again; ±10 %. */
  readonly resyncMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly metrics?: KubeMetrics;
}

export interface KubeCluster extends Cluster {
  /** Idempotent; nothing starts after stop(). */
  start(): void;
  /** Ends all watches and sends the last Events; handlers hear nothing afterwards. */
  stop(): Promise<void>;
  /** Whether every kind has been listed whole and is served, or is optional and is not. */
  hasSynced(): boolean;
  /** Resolves when hasSynced; rejects with the signal's reason. */
  waitForSync(signal: AbortSignal): Promise<void>;
  /** Before start(). Each handler is on its own: what it throws reaches the log only. */
  onChange(kind: Kind, handler: CacheHandler): void;
  status(): readonly ReflectorStatus[];
  /** Whether the cache has caught up with the writes made while reconciling a key. */
  readonly consistency: Consistency;
}

interface WatchedNamespace {
  readonly namespace: string | undefined;
  readonly optional: boolean;
  readonly reflector: Reflector;
}

interface Watched {
  readonly store: Store;
  readonly handlers: CacheHandler[];
  readonly reflectors: WatchedNamespace[];
}

const RESYNC_MS = 600_000;

export function createCluster(options: ClusterOptions): KubeCluster {
  return new WatchedCluster(options);
}

class WatchedCluster implements KubeCluster {
  readonly consistency: Consistency;
  readonly get: Cluster["get"];
  readonly list: Cluster["list"];
  readonly labelled: Cluster["labelled"];
  readonly read: Cluster["read"];
  readonly readMetadata: Cluster["readMetadata"];
  readonly apply: Cluster["apply"];
  readonly applyNew: Cluster["applyNew"];
  readonly applyStatus: Cluster["applyStatus"];
  readonly remove: Cluster["remove"];
  readonly #options: ClusterOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #watched = new Map<string, Watched>();
  readonly #events: EventRecorder;
  readonly #syncWaiters = new Set<() => void>();
  #resync: Timer | undefined;
  #stopped = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    const metrics = options.metrics ?? noMetrics;
    const fence = options.fence ?? noFence;
    for (const watched of options.kinds) this.#watch(watched, metrics);
    this.consistency = new Consistency({
      lastSyncRV: (kind, namespace) => this.#reflectorOf(kind, namespace)?.lastSyncRV(),
      get: (kind, namespace, name) => this.#watched.get(idOf(kind))?.store.get(namespace, name),
    });
    const { http, log, reportingInstance, fieldManager } = options;
    const writes = createWrites({
      http,
      fence,
      metrics,
      ...(fieldManager === undefined ? {} : { fieldManager }),
      onWrite: (kind, written, verb) => this.#remember(kind, written, verb),
    });
    // The API server checks objects against their schema: T is what the caller knows of it.
    this.get = ((kind, ...where) => this.#storeOf(kind).get(...where)) as Cluster["get"];
    this.list = ((kind, namespace) => this.#storeOf(kind).list(namespace)) as Cluster["list"];
    this.labelled = ((kind, ...by) => this.#storeOf(kind).labelled(...by)) as Cluster["labelled"];
    this.read = writes.read as Cluster["read"];
    this.readMetadata = writes.readMetadata;
    this.apply = writes.apply as Cluster["apply"];
    this.applyNew = writes.applyNew as Cluster["applyNew"];
    this.applyStatus = writes.applyStatus as Cluster["applyStatus"];
    this.remove = writes.remove;
    this.#events = new EventRecorder({
      http,
      log,
      metrics,
      fence,
      reportingInstance,
      clock: this.#clock,
      random: this.#random,
    });
  }

  note(regarding: KubeObject, note: EventNote): void {
    this.#events.note(regarding, note);
  }

  onChange(kind: Kind, handler: CacheHandler): void {
    this.#entryOf(kind).handlers.push(handler);
  }

  start(): void {
    if (this.#stopped || this.#resync !== undefined) return;
    for (const reflector of this.#reflectors()) reflector.start();
    this.#resyncLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#resync?.cancel();
    await Promise.all([
      this.#events.stop(),
      ...this.#reflectors().map((reflector) => reflector.stop()),
    ]);
  }

  hasSynced(): boolean {
    return [...this.#watched.values()]
      .flatMap(({ reflectors }) => reflectors)
      .every(({ reflector, optional }) => {
        return reflector.hasSynced() || (optional && reflector.status().missing);
      });
  }

  waitForSync(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = (): void => {
      if (this.hasSynced()) resolve();
    };
    const onAbort = (): void => reject(signal.reason);
    this.#syncWaiters.add(check);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    check();
    return promise.finally(() => {
      this.#syncWaiters.delete(check);
      signal.removeEventListener("abort", onAbort);
    });
  }

  status(): readonly ReflectorStatus[] {
    return this.#reflectors().map((reflector) => reflector.status());
  }

  #watch(watched: WatchedKind, metrics: KubeMetrics): void {
    const { kind, namespace, labelSelector, transform, indexLabels } = watched;
    const existing = this.#watched.get(idOf(kind));
    const clash = existing?.reflectors.some(
      (other) =>
        other.namespace === undefined || namespace === undefined || other.namespace === namespace,
    );
    assert(clash !== true, `${kind.kind} is watched twice in the same namespace`);
    const entry: Watched = existing ?? {
      store: new Store({
        ...(indexLabels === undefined ? {} : { indexLabels }),
        ...(transform === undefined ? {} : { transform }),
      }),
      handlers: [],
      reflectors: [],
    };
    const reflector = createReflector({
      http: this.#options.http,
      kind,
      namespace,
      labelSelector,
      store: entry.store,
      onChange: (change) => this.#tell(entry, change),
      onSynced: () => this.#checkSynced(),
      onMissing: () => this.#checkSynced(),
      ...(watched.optional === undefined ? {} : { optional: watched.optional }),
      clock: this.#clock,
      random: this.#random,
      log: this.#options.log,
      metrics,
    });
    entry.reflectors.push({ namespace, optional: watched.optional ?? false, reflector });
    this.#watched.set(idOf(kind), entry);
  }

  #checkSynced(): void {
    for (const check of this.#syncWaiters) check();
  }

  #tell(entry: Watched, event: CacheEvent): void {
    for (const handler of entry.handlers) {
      try {
        handler(event);
      } catch (err) {
        const { kind, metadata } = event.object;
        const fields = { err, kind, namespace: metadata.namespace, name: metadata.name };
        this.#options.log.error(fields, "a handler of cache changes failed");
      }
    }
  }

  #resyncLater(): void {
    const delayMs = (this.#options.resyncMs ?? RESYNC_MS) * (0.9 + this.#random() * 0.2);
    this.#resync = this.#clock.schedule(() => {
      for (const entry of this.#watched.values()) {
        for (const object of entry.store.list()) this.#tell(entry, { type: "resync", object });
      }
      if (!this.#stopped) this.#resyncLater();
    }, delayMs);
  }

  #remember(kind: Kind, written: KubeObject, verb: "apply" | "delete"): void {
    const key = currentKey();
    if (key === undefined) return;
    if (verb === "delete") this.consistency.removed(key, kind, written);
    else this.consistency.wrote(key, kind, written);
  }

  #reflectorOf(kind: Kind, namespace: string | undefined): Reflector | undefined {
    return this.#watched
      .get(idOf(kind))
      ?.reflectors.find((one) => one.namespace === undefined || one.namespace === namespace)
      ?.reflector;
  }

  #reflectors(): readonly Reflector[] {
    return [...this.#watched.values()].flatMap(({ reflectors }) =>
      reflectors.map(({ reflector }) => reflector),
    );
  }

  #storeOf(kind: Kind): Store {
    return this.#entryOf(kind).store;
  }

  #entryOf(kind: Kind): Watched {
    const entry = this.#watched.get(idOf(kind));
    assert(
      entry !== undefined,
      `${idOf(kind)} is not watched: add it to the kinds of createCluster`,
    );
    return entry;
  }
}

function idOf(kind: Kind): string {
  return `${kind.apiVersion}/${kind.plural}`;
}
