/**
 * Publishes Events. They are hints for people: repeats become a series, an object that has too much
 * to say is cut short, memory is bounded, and a failure is a log line. Nothing ever waits for an
 * Event.
 */
import type { EventNote, KubeObject } from "../cluster.ts";
import type { Clock, Random, Timer } from "./clock.ts";
import { isNotFound } from "./errors.ts";
import { EVENT_KIND, eventNamespace, eventObject } from "./event-object.ts";
import type { KubeMetrics, Log } from "./hooks.ts";
import type { KubeHttp } from "./http.ts";
import { microTime } from "./micro-time.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { TokenBucket } from "./token-bucket.ts";
import { fenced, type Fence } from "./write.ts";

export interface EventOptions {
  readonly http: Pick<KubeHttp, "json">;
  /** Which process speaks: the pod's name. */
  readonly reportingInstance: string;
  readonly fence: Fence;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: KubeMetrics;
}

interface Series {
  readonly namespace: string;
  readonly name: string;
  count: number;
  sentCount: number;
  lastWallMs: number;
  touchedMs: number;
  sentMs: number;
}

type Task = () => Promise<void>;

/** As in client-go: the same note within six minutes belongs to the series. */
const SERIES_IDLE_MS = 360_000;
const SERIES_REFRESH_MS = 300_000;
const SWEEP_MS = 60_000;
const SERIES_MAX = 1024;
/** Different notes about one object: 25 at once, then one in five minutes. */
const SPAM_BURST = 25;
const SPAM_PER_SECOND = 1 / 300;
const OBJECTS_MAX = 4096;
const TASKS_MAX = 256;

export class EventRecorder {
  readonly #options: EventOptions;
  readonly #series = new Map<string, Series>();
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #tasks: Task[] = [];
  #sending: Promise<void> | undefined;
  #sweeper: Timer | undefined;
  #stopped = false;

  constructor(options: EventOptions) {
    this.#options = options;
  }

  note(regarding: KubeObject, note: EventNote): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    const { uid, namespace, name } = regarding.metadata;
    const about = uid ?? `${regarding.kind} ${namespace ?? ""}/${name}`;
    const key = JSON.stringify([about, note.type, note.reason, note.message]);
    const series = this.#series.get(key);
    if (series === undefined || clock.nowMs() - series.touchedMs > SERIES_IDLE_MS) {
      this.#first(key, about, regarding, note);
    } else {
      this.#repeat(key, series);
    }
  }

  /** Sends what is waiting to be sent, and takes no more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sweeper?.cancel();
    await this.#sending;
  }

  /** Series, objects and tasks in memory: each is bounded. */
  sizes(): { readonly series: number; readonly objects: number; readonly tasks: number } {
    return {
      series: this.#series.size,
      objects: this.#buckets.size,
      tasks: this.#tasks.length,
    };
  }

  #first(key: string, about: string, regarding: KubeObject, note: EventNote): void {
    const { clock, random, http, fence, reportingInstance, metrics } = this.#options;
    if (!this.#bucket(about).tryTake(clock.nowMs())) {
      metrics.eventDropped("spam");
      return;
    }
    const wallMs = clock.wallMs();
    const salt = Math.floor(random() * 2 ** 24).toString(16);
    const suffix = `${Math.floor(wallMs).toString(16)}${salt}`;
    const body = eventObject(regarding, note, { reportingInstance, wallMs, suffix });
    const { name, namespace } = { namespace: eventNamespace(regarding), ...nameOf(body) };
    const now = clock.nowMs();
    this.#series.delete(key);
    this.#series.set(key, {
      namespace,
      name,
      count: 1,
      sentCount: 1,
      lastWallMs: wallMs,
      touchedMs: now,
      sentMs: now,
    });
    trim(this.#series, SERIES_MAX);
    this.#sweepLater();
    this.#send(key, async () => {
      const path = collectionPath(EVENT_KIND, namespace);
      await http.json({ method: "POST", path, body, ...fenced(fence) });
    });
  }

  #repeat(key: string, series: Series): void {
    const now = this.#options.clock.nowMs();
    series.count += 1;
    series.lastWallMs = this.#options.clock.wallMs();
    series.touchedMs = now;
    // The least recently noted is the first to go when there are too many.
    this.#series.delete(key);
    this.#series.set(key, series);
    if (series.count === 2 || now - series.sentMs >= SERIES_REFRESH_MS) this.#update(key, series);
  }

  #update(key: string, series: Series): void {
    const { http, fence, clock } = this.#options;
    series.sentCount = series.count;
    series.sentMs = clock.nowMs();
    const body = {
      series: { count: series.count, lastObservedTime: microTime(series.lastWallMs) },
    };
    this.#send(key, async () => {
      const path = objectPath(EVENT_KIND, series.namespace, series.name);
      const contentType = "application/merge-patch+json";
      await http.json({ method: "PATCH", path, body, contentType, ...fenced(fence) });
    });
  }

  /** Ends idle series, after the counts that have not been told yet. */
  #sweep(): void {
    const now = this.#options.clock.nowMs();
    this.#sweeper = undefined;
    for (const [key, series] of this.#series) {
      const idleMs = now - series.touchedMs;
      if (series.count !== series.sentCount && idleMs >= SWEEP_MS) this.#update(key, series);
      if (idleMs > SERIES_IDLE_MS) this.#series.delete(key);
    }
    this.#sweepLater();
  }

  #sweepLater(): void {
    if (this.#stopped || this.#series.size === 0 || this.#sweeper !== undefined) return;
    this.#sweeper = this.#options.clock.schedule(() => this.#sweep(), SWEEP_MS);
  }

  #bucket(about: string): TokenBucket {
    const now = this.#options.clock.nowMs();
    const bucket = this.#buckets.get(about) ?? new TokenBucket(SPAM_PER_SECOND, SPAM_BURST, now);
    this.#buckets.delete(about);
    this.#buckets.set(about, bucket);
    trim(this.#buckets, OBJECTS_MAX);
    return bucket;
  }

  #send(key: string, task: Task): void {
    if (this.#tasks.length >= TASKS_MAX) {
      this.#series.delete(key);
      this.#options.metrics.eventDropped("overflow");
      return;
    }
    this.#tasks.push(async () => {
      try {
        await task();
      } catch (err) {
        this.#failed(key, err);
      }
    });
    this.#sending ??= this.#drain();
  }

  async #drain(): Promise<void> {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      await task();
    }
    this.#sending = undefined;
  }

  /** The next repeat starts anew: perhaps the Event has expired, perhaps it never came to be. */
  #failed(key: string, err: unknown): void {
    this.#series.delete(key);
    this.#options.metrics.eventDropped("failed");
    if (isNotFound(err)) this.#options.log.debug({ err }, "the Event to be continued is gone");
    else this.#options.log.warn({ err }, "an Event could not be published");
  }
}

function nameOf(body: object): { name: string } {
  return (body as { metadata: { name: string } }).metadata;
}

function trim(map: Map<string, unknown>, sizeMax: number): void {
  for (const key of map.keys()) {
    if (map.size <= sizeMax) return;
    map.delete(key);
  }
}
