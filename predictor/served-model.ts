/**
 * A model as the HTTP side sees it: its versions, each with an executor and a batcher of its own.
 * The default version is loaded at the start, another one when it's first asked for.
 */
import type { Batcher, BatcherLimits, Ticket, Work } from "./batch/batcher.ts";
import { Batcher as VersionBatcher } from "./batch/batcher.ts";
import type { Clock } from "./batch/port.ts";
import { ServingError } from "./errors.ts";
import type { LoadedModel } from "./executor/messages.ts";
import type { ChildEntry } from "./executor/process.ts";
import { Supervisor } from "./executor/supervisor.ts";
import type { ModelMetrics } from "./ops/metrics.ts";
import type { Signature } from "./protocol/tensor.ts";

export type VersionOptions = {
  readonly entry: ChildEntry;
  readonly threads: number;
  readonly loadTimeoutMs: number;
  readonly limits: BatcherLimits;
  readonly clock: Clock;
  /** Told of restarts; for the log. */
  readonly onRestart: (reason: string) => void;
};

/** One loaded version. */
export class ServedVersion {
  readonly version: string;
  readonly loaded: LoadedModel;
  readonly metrics: ModelMetrics;
  readonly #supervisor: Supervisor;
  readonly #batcher: Batcher;

  private constructor(parts: {
    version: string;
    loaded: LoadedModel;
    metrics: ModelMetrics;
    supervisor: Supervisor;
    batcher: Batcher;
  }) {
    this.version = parts.version;
    this.loaded = parts.loaded;
    this.metrics = parts.metrics;
    this.#supervisor = parts.supervisor;
    this.#batcher = parts.batcher;
  }

  /** Starts an executor that waits for a model: to be called before the model is there. */
  static prepare(options: VersionOptions, restarted: () => void): Supervisor {
    const { entry, threads, loadTimeoutMs, clock, onRestart } = options;
    const observe = (reason: string): void => {
      restarted();
      onRestart(reason);
    };
    const observer = { respawned: observe, respawnFailed: observe };
    return new Supervisor({ entry, threads, loadTimeoutMs, clock, observer });
  }

  /** Loads a version into a prepared executor. Rejects with LoadFailed; ends the executor then. */
  static async load(
    supervisor: Supervisor,
    model: { version: string; path: string; metrics: ModelMetrics },
    { limits, clock }: VersionOptions,
  ): Promise<ServedVersion> {
    const { version, path, metrics } = model;
    try {
      const loaded = await supervisor.load(path);
      const observer = {
        waiting: (requests: number) => metrics.pending(requests),
        ran: metrics.ran,
        stuck: () => {},
      };
      const { batchable } = loaded;
      const batcher = new VersionBatcher({ port: supervisor, batchable, limits, clock, observer });
      return new ServedVersion({ version, loaded, metrics, supervisor, batcher });
    } catch (error) {
      await supervisor.close();
      throw error;
    }
  }

  get signature(): Signature {
    return this.loaded.signature;
  }

  /** The executor holds the model now: false while it's being replaced. */
  get ready(): boolean {
    return this.#supervisor.loaded;
  }

  get executorPid(): number | undefined {
    return this.#supervisor.pid;
  }

  submit(work: Work): Ticket {
    return this.#batcher.submit(work);
  }

  async close(): Promise<void> {
    await this.#supervisor.close();
  }
}

export type ServedModelParts = {
  readonly name: string;
  /** Ascending; the last one is the default. */
  readonly versions: readonly string[];
  readonly first: ServedVersion;
  /** Loads another version. */
  readonly open: (version: string) => Promise<ServedVersion>;
};

export class ServedModel {
  readonly name: string;
  readonly versions: readonly string[];
  readonly default: ServedVersion;
  readonly #open: (version: string) => Promise<ServedVersion>;
  readonly #opened = new Map<string, Promise<ServedVersion>>();

  constructor({ name, versions, first, open }: ServedModelParts) {
    this.name = name;
    this.versions = versions;
    this.default = first;
    this.#open = open;
    this.#opened.set(first.version, Promise.resolve(first));
  }

  /** A version, loaded if it isn't yet. Rejects with ServingError `not-found`, or LoadFailed. */
  async version(version: string | undefined): Promise<ServedVersion> {
    if (version === undefined) return this.default;
    if (!this.versions.includes(version)) {
      throw new ServingError("not-found", `the model has no version ${JSON.stringify(version)}`);
    }
    const known = this.#opened.get(version);
    if (known !== undefined) return known;
    const opening = this.#open(version);
    this.#opened.set(version, opening);
    opening.catch(() => this.#opened.delete(version)); // the next request tries again
    return opening;
  }

  /** Ends all executors. */
  async close(): Promise<void> {
    const versions = await Promise.allSettled(this.#opened.values());
    await Promise.all(
      versions.map(async (each) => (each.status === "fulfilled" ? each.value.close() : undefined)),
    );
  }
}
