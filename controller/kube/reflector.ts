/**
 * Keeps a Store equal to what the API server holds: list, then watch, for ever. Nothing that the
 * server or the network does ends it; only stop() does, in any phase, and then nothing more is
 * reported.
 */
import type { Kind, KubeObject } from "../cluster.ts";
import { jsonLines, type Chunks } from "./body.ts";
import { sleep, type Clock, type Random, type Timer } from "./clock.ts";
import { DeadlineError, DecodeError, isGone, isNotFound, isStatus } from "./errors.ts";
import type { KubeMetrics, Log, RelistReason } from "./hooks.ts";
import type { KubeHttp } from "./http.ts";
import { collectionPath } from "./paths.ts";
import { afterError, afterWatch, NO_TROUBLE, type History, type Step } from "./reflector-policy.ts";
import { isNewer } from "./resource-version.ts";
import type { Change, Store } from "./store.ts";
import { parseListPage, parseWatchFrame } from "./watch-frames.ts";

export interface ReflectorOptions {
  readonly http: Pick<KubeHttp, "json" | "stream">;
  readonly kind: Kind;
  /** Only this namespace; all when absent. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly store: Store;
  /** Called after each change of the store. What it throws is logged and goes no further. */
  readonly onChange: (change: Change) => void;
  /** Called after each complete list. */
  readonly onSynced?: () => void;
  readonly clock: Clock;
  /** Told whenever the API server says that it does not serve the kind, or not to us. */
  readonly onMissing?: () => void;
  /** Whether to be denied the kind is as good as its absence: said once, and asked again. */
  readonly optional?: boolean;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: KubeMetrics;
}

export interface ReflectorStatus {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly synced: boolean;
  /** Whether the API server does not serve this kind at all. */
  readonly missing: boolean;
  /** Everything up to this resourceVersion is in the store. */
  readonly lastSyncRV: string | undefined;
  /** Monotonic moment of the last list or frame. */
  readonly lastEventAtMs: number | undefined;
  /** Why there is trouble right now; undefined while there is none. */
  readonly trouble: string | undefined;
}

export interface Reflector {
  start(): void;
  /** Resolves when the loop has ended. */
  stop(): Promise<void>;
  /** Whether a whole list has been taken in, and the kind has been served ever since. */
  hasSynced(): boolean;
  lastSyncRV(): string | undefined;
  status(): ReflectorStatus;
}

const PAGE_LIMIT = 500;
const PAGES_MAX = 2000;
const WATCH_SECONDS_MIN = 300;
const WATCH_SECONDS_SPAN = 300;
const INACTIVITY_MS = 90_000;
const LINE_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Lists older than what we know that are refused in a row, before we believe that etcd was
 * restored.
 */
const STALE_LISTS_MAX = 3;

interface State {
  lastSyncRV: string | undefined;
  /** Where the next watch starts; undefined asks for a list. */
  watchFrom: string | undefined;
  relistReason: RelistReason;
  history: History;
  staleLists: number;
  synced: boolean;
  missing: boolean;
  lastEventAtMs: number | undefined;
  trouble: string | undefined;
}

export function createReflector(options: ReflectorOptions): Reflector {
  const stopping = new AbortController();
  const state: State = {
    lastSyncRV: undefined,
    watchFrom: undefined,
    relistReason: "initial",
    history: NO_TROUBLE,
    staleLists: 0,
    synced: false,
    missing: false,
    lastEventAtMs: undefined,
    trouble: undefined,
  };
  const loop = new ReflectorLoop(options, state, stopping.signal);
  let running: Promise<void> | undefined;
  return {
    start: () => {
      running ??= loop.run();
    },
    stop: async () => {
      stopping.abort(new Error(`the reflector of ${options.kind.plural} was stopped`));
      await running;
    },
    hasSynced: () => state.synced,
    lastSyncRV: () => state.lastSyncRV,
    status: () => ({
      kind: options.kind.kind,
      namespace: options.namespace,
      synced: state.synced,
      missing: state.missing,
      lastSyncRV: state.lastSyncRV,
      lastEventAtMs: state.lastEventAtMs,
      trouble: state.trouble,
    }),
  };
}

class ReflectorLoop {
  readonly #options: ReflectorOptions;
  readonly #state: State;
  readonly #stop: AbortSignal;

  constructor(options: ReflectorOptions, state: State, stop: AbortSignal) {
    this.#options = options;
    this.#state = state;
    this.#stop = stop;
  }

  async run(): Promise<void> {
    while (!this.#stop.aborted) {
      const step = await this.#turn();
      this.#state.history = step;
      if (step.relist !== undefined) {
        this.#state.watchFrom = undefined;
        this.#state.relistReason = step.relist;
      }
      // A rejection of sleep means stop(): the loop's condition sees it.
      if (step.delayMs > 0)
        await sleep(this.#options.clock, step.delayMs, this.#stop).catch(() => undefined);
    }
  }

  /** One list if one is due, then one watch; never throws. */
  async #turn(): Promise<Step> {
    const { random } = this.#options;
    try {
      const from = this.#state.watchFrom ?? (await this.#list());
      const watch = await this.#watch(from);
      return afterWatch(watch, this.#state.history, random);
    } catch (error) {
      if (!this.#stop.aborted) this.#report(error);
      return afterError(error, this.#state.history, random);
    }
  }

  async #list(): Promise<string> {
    const { kind, namespace, clock, metrics, store } = this.#options;
    const state = this.#state;
    metrics.relist(kind.kind, state.relistReason);
    const startedMs = clock.nowMs();
    const { items, resourceVersion } = await this.#pages();
    this.#refuseStale(resourceVersion);
    state.lastSyncRV = resourceVersion;
    state.watchFrom = resourceVersion;
    this.#publish(store.replace(items, namespace));
    state.synced = true;
    metrics.listed(kind.kind, items.length, clock.nowMs() - startedMs);
    this.#recovered();
    this.#options.onSynced?.();
    return resourceVersion;
  }

  /** All pages of one consistent list. Nothing is published before the last page is here (F36). */
  async #pages(): Promise<{ items: readonly KubeObject[]; resourceVersion: string }> {
    const { http, kind, namespace, labelSelector, store } = this.#options;
    const items: KubeObject[] = [];
    let next: string | undefined;
    for (let count = 0; count < PAGES_MAX; count += 1) {
      const answer = await http.json<unknown>({
        method: "GET",
        path: collectionPath(kind, namespace),
        query: { limit: PAGE_LIMIT, labelSelector, continue: next },
        signal: this.#stop,
        deadlineMs: 60_000,
        retries: 0,
      });
      const page = parseListPage(kind, answer);
      // Page by page: what is not kept need not wait for the last page.
      items.push(...page.items.map((item) => store.prepare(item)));
      next = page.next;
      if (next === undefined) return { items, resourceVersion: page.resourceVersion };
    }
    throw new DecodeError(`the list of ${kind.plural} has more than ${PAGES_MAX} pages`);
  }

  /**
   * A list without a resourceVersion is the latest state, so an older one comes from a server that
   * is behind. It is refused a few times; when it stays, etcd was restored from a backup and the
   * past is the present.
   */
  #refuseStale(resourceVersion: string): void {
    const state = this.#state;
    const { lastSyncRV } = state;
    const stale = lastSyncRV !== undefined && isNewer(lastSyncRV, resourceVersion);
    state.staleLists = stale ? state.staleLists + 1 : 0;
    if (stale && state.staleLists <= STALE_LISTS_MAX) {
      throw new DecodeError(
        `the list of ${this.#options.kind.plural} is of version ${resourceVersion}, older than ${lastSyncRV}`,
      );
    }
    state.staleLists = 0;
  }

  async #watch(from: string): Promise<{ livedMs: number; frames: number }> {
    const { http, kind, namespace, labelSelector, clock, random, metrics } = this.#options;
    const timeoutSeconds = WATCH_SECONDS_MIN + Math.floor(random() * WATCH_SECONDS_SPAN);
    const stream = await http.stream({
      method: "GET",
      path: collectionPath(kind, namespace),
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: from,
        timeoutSeconds,
        labelSelector,
      },
      signal: this.#stop,
    });
    metrics.watchStarted(kind.kind);
    const startedMs = clock.nowMs();
    let frames = 0;
    this.#recovered();
    // Maybe a peer that vanished without a word: whoever shares the connection would wait as well.
    const inactivity = new InactivityTimer(clock, INACTIVITY_MS, () => stream.abandon());
    try {
      for await (const value of jsonLines(inactivity.touching(stream.chunks), LINE_BYTES_MAX)) {
        this.#stop.throwIfAborted();
        this.#take(value);
        frames += 1;
      }
    } catch (error) {
      if (!inactivity.expired) throw error;
      throw new DeadlineError(`WATCH ${kind.plural}: nothing for ${INACTIVITY_MS} ms`);
    } finally {
      inactivity.cancel();
      stream.close();
    }
    return { livedMs: clock.nowMs() - startedMs, frames };
  }

  #take(value: unknown): void {
    const { kind, store, metrics, clock } = this.#options;
    const state = this.#state;
    const frame = parseWatchFrame(kind, value);
    this.#recovered();
    state.history = NO_TROUBLE;
    state.lastEventAtMs = clock.nowMs();
    const known = state.lastSyncRV;
    // A replayed frame: the cache is beyond it, and an object deleted since must not come back.
    if (known !== undefined && !isNewer(frame.resourceVersion, known)) return;
    state.lastSyncRV = frame.resourceVersion;
    state.watchFrom = frame.resourceVersion;
    if (frame.type === "bookmark") return;
    metrics.watchEvent(kind.kind);
    this.#publish(frame.type === "put" ? store.upsert(frame.object) : store.remove(frame.object));
  }

  #publish(changes: readonly Change[]): void {
    const { kind, log, metrics, onChange, store } = this.#options;
    this.#state.lastEventAtMs = this.#options.clock.nowMs();
    metrics.cacheItems(kind.kind, store.size);
    for (const change of changes) {
      if (this.#stop.aborted) return;
      try {
        onChange(change);
      } catch (err) {
        const { namespace, name } = change.object.metadata;
        log.error({ err, kind: kind.kind, namespace, name }, "a handler of cache changes failed");
      }
    }
  }

  #recovered(): void {
    const state = this.#state;
    if (state.missing) {
      const { kind, log } = this.#options;
      log.info(
        { kind: kind.kind, apiVersion: kind.apiVersion },
        "the missing kind is served again",
      );
    }
    state.missing = false;
    state.trouble = undefined;
  }

  /**
   * A missing kind is said once; a 410 is daily business; the rest is a warning each time, and
   * backoff bounds the times.
   */
  #report(error: unknown): void {
    const { kind, namespace, log } = this.#options;
    const state = this.#state;
    const fields = { err: error, kind: kind.kind, apiVersion: kind.apiVersion, namespace };
    state.trouble = error instanceof Error ? error.message : String(error);
    const denied = this.#options.optional === true && isStatus(error, 403);
    if (isNotFound(error) || denied) {
      state.synced = false;
      if (!state.missing) {
        const why = denied
          ? "this kind may not be read: going on without it"
          : "the API server does not serve this kind: install its CRD; waiting for it";
        log.warn(fields, why);
      }
      state.missing = true;
      this.#options.onMissing?.();
    } else if (isGone(error)) {
      log.debug(fields, "the resourceVersion is too old: listing again");
    } else {
      log.warn(fields, "list or watch failed: trying again");
    }
  }
}

/** Ends a stream that has been silent for too long, and remembers that it did. */
class InactivityTimer {
  expired = false;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #expire: () => void;
  #timer: Timer;

  constructor(clock: Clock, limitMs: number, expire: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#expire = expire;
    this.#timer = this.#arm();
  }

  async *touching(chunks: Chunks): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#timer.cancel();
      this.#timer = this.#arm();
      yield chunk;
    }
  }

  cancel(): void {
    this.#timer.cancel();
  }

  #arm(): Timer {
    return this.#clock.schedule(() => {
      this.expired = true;
      this.#expire();
    }, this.#limitMs);
  }
}
