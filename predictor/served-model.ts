/**
 * A model as the HTTP side sees it: its versions, each with an executor and a batcher of its own.
 * The default version is loaded at the start, another one when it's first asked for.
 */
import { Batcher } from "./batch/batcher.ts";
import type { BatcherLimits, Ticket, Work } from "./batch/batcher.ts";
import type { Signatures } from "./bodies/work.ts";
import { systemClock } from "./batch/port.ts";
import type { Clock, RunPort } from "./batch/port.ts";
import { ServingError } from "./errors.ts";
import type { LoadedModel } from "./executor/messages.ts";
import type { ChildEntry } from "./executor/process.ts";
import { Executors } from "./executor/executors.ts";
import { BackOff } from "./models/back-off.ts";
import { faultOfLoad } from "./models/faults.ts";
import { NoRoom } from "./models/unit.ts";
import type { ModelMetrics } from "./ops/metrics.ts";
import type { Batching } from "./protocol/config.ts";
import type { TextGenerator } from "./protocol/generate.ts";
import type { JsonObject } from "./protocol/json.ts";
import type { Signature } from "./protocol/tensor.ts";
import { selectHandler } from "./hooks/find-handler.ts";
import type { HookHost } from "./hooks/host.ts";
import type { HandlerOptions } from "./hooks/open-hooks.ts";
import { hasTaskFiles } from "./tasks/has-task-files.ts";
import type { ServedTask } from "./tasks/served-task.ts";
import type { Presence } from "./threads/presence.ts";

export type VersionOptions = {
  readonly entry: ChildEntry;
  /** Processes that hold the model. */
  readonly executors?: number;
  /** Threads of each. */
  readonly threads: number;
  /** See LoadOptions. */
  readonly spinning?: boolean;
  readonly loadTimeoutMs: number;
  readonly limits: BatcherLimits;
  readonly clock: Clock;
  /** Told of restarts; for the log. */
  readonly onRestart: (reason: string) => void;
  /** A task's name, `auto` for the one that config.json suggests, nothing for none. */
  readonly task?: string | undefined;
  readonly modelName?: string | undefined;
  /** Without it, handlers are not looked for. */
  readonly handler?: HandlerOptions | undefined;
  /** The memory that it shares with other models, in a repository. */
  readonly presence?: VersionPresence | undefined;
};

export type VersionPresence = Presence & {
  /** Another graph of the same model. Rejects like a load. */
  openGraph(path: string): Promise<ServedVersion>;
};

/** How often a version that leaves looks whether its requests are answered. */
const retireCheckMs = 20;

/** Who runs a version: supervised child processes, except in benchmarks. */
export type Executor = {
  /** What runs: one for each process. */
  readonly ports: readonly RunPort[];
  /** The model is there now; false while the process is being replaced. */
  readonly loaded: boolean;
  /** Nothing runs. */
  ready(): boolean;
  /** Told of each request, where models come and go: it counts which found theirs in memory. */
  asked?(): void;
  close(): Promise<void>;
};

export type VersionParts = {
  readonly version: string;
  readonly loaded: LoadedModel;
  readonly metrics: ModelMetrics;
  readonly executor: Executor;
  /** For the generate routes, when the model's task makes text. */
  readonly generator?: TextGenerator;
};

/** A request as the protocols have it: a task may take its parameters, a graph has none. */
export type Asked = Work & { readonly parameters?: JsonObject | undefined };

/** One loaded version. */
export class ServedVersion {
  readonly version: string;
  readonly loaded: LoadedModel;
  readonly metrics: ModelMetrics;
  /** How requests are joined; nothing when they aren't. */
  readonly batching: Batching | undefined;
  readonly #generator: TextGenerator | undefined;
  readonly #notes: string[] = [];
  #task: ServedTask | undefined;
  #hooks: HookHost | undefined;
  readonly #executor: Executor;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #batcher: Batcher;
  /** Who answers instead, once this one is retired; null when nobody does. */
  #successor: ServedVersion | null | undefined;

  constructor(parts: VersionParts, { limits, clock }: Pick<VersionOptions, "limits" | "clock">) {
    const { metrics } = parts;
    this.version = parts.version;
    this.loaded = { ...parts.loaded, notes: this.#notes };
    this.#notes.push(...parts.loaded.notes);
    this.metrics = metrics;
    const { batchSizeMax: sizeMax, batchLatencyMs: latencyMs } = limits;
    this.batching = parts.loaded.batchable ? { sizeMax, latencyMs } : undefined;
    metrics.placed(parts.loaded.provider);
    this.#generator = parts.generator;
    this.#executor = parts.executor;
    this.#clock = clock;
    this.#timeoutMs = limits.timeoutMs;
    this.#batcher = new Batcher({
      ports: parts.executor.ports,
      model: parts.loaded,
      limits,
      clock,
      observer: { waiting: metrics.pending, ran: metrics.ran },
    });
  }

  /** Starts the executors, which wait for a model: to be called before the model is there. */
  static prepare(
    options: VersionOptions,
    { restarted, placed }: Pick<ModelMetrics, "restarted" | "placed">,
  ): Executors {
    const { entry, executors = 1, threads, loadTimeoutMs, clock, onRestart } = options;
    const { spinning = false } = options;
    const observe = (reason: string): void => {
      restarted();
      onRestart(reason);
    };
    const moved = ({ provider, notes }: LoadedModel): void => {
      placed(provider);
      onRestart(`the model runs on ${provider} now: ${notes.join("; ")}`);
    };
    const observer = { respawned: observe, respawnFailed: observe, moved };
    return new Executors(executors, {
      entry,
      threads,
      spinning,
      loadTimeoutMs,
      clock,
      observer,
    });
  }

  /** Loads a version into a prepared executor. Rejects with LoadFailed; ends the executor then. */
  static async load(
    executor: Executors,
    { path, ...parts }: { version: string; path: string; metrics: ModelMetrics },
    options: VersionOptions,
  ): Promise<ServedVersion> {
    try {
      const loaded = await executor.load(path);
      const version = new ServedVersion({ ...parts, loaded, executor }, options);
      await version.equip(path, options);
      return version;
    } catch (error) {
      await executor.close();
      throw error;
    }
  }

  /**
   * Adds what lies beside a model, or is configured for it: a handler, a task. Rejects with
   * LoadFailed; what was opened before is then for close().
   */
  async equip(path: string, options: VersionOptions): Promise<void> {
    const { handler } = options;
    const note = (text: string): unknown => this.#notes.push(text);
    const found = handler === undefined ? {} : selectHandler(path, handler);
    if (found.refused !== undefined) note(found.refused);
    if (handler !== undefined && found.path !== undefined) {
      const { openHooks } = await import("./hooks/open-hooks.ts");
      const model = { name: options.modelName ?? "", version: this.version };
      this.#hooks = await openHooks(found.path, path, { ...options, ...handler, model });
    }
    if (!hasTaskFiles(path, options.task)) return;
    const { openTask } = await import("./tasks/open-task.ts");
    this.#task = await openTask({ path, version: this, options, note });
  }

  /** What it takes and gives: its task's texts or pictures, or else the graph's tensors. */
  get signature(): Signature {
    return this.#task?.signature ?? this.loaded.signature;
  }

  /** Both of its ways in. */
  get signatures(): Signatures {
    return { graph: this.loaded.signature, task: this.task?.signature };
  }

  get task(): ServedTask | undefined {
    return this.#successor == null ? this.#task : this.#successor.task;
  }

  /** What a handler does before and after its inferences. */
  get hooks(): HookHost | undefined {
    return this.#successor == null ? this.#hooks : this.#successor.hooks;
  }

  /** For the generate routes, when the model's task makes text. */
  get generator(): TextGenerator | undefined {
    return this.#generator ?? this.#task?.generator;
  }

  /** The executor holds the model now: false while it's being replaced. */
  get ready(): boolean {
    const threads = this.#task?.ready !== false && this.#hooks?.ready !== false;
    return threads && this.#executor.loaded;
  }

  /** A request for it begins: to be called once for each, however many runs it takes. */
  asked(): void {
    this.#executor.asked?.();
  }

  submit(work: Asked): Ticket {
    if (this.#successor !== undefined) return this.#passOn(work);
    const names = this.#task === undefined ? [] : work.inputs.map(({ name }) => name);
    if (this.#task?.takes(names) === true) return this.#task.submit(work);
    return this.#batcher.submit(work);
  }

  /** Tensors for the graph, whatever its task takes, and although it was retired meanwhile. */
  submitTensors(work: Work): Ticket {
    return this.#batcher.submit(work);
  }

  async close(): Promise<void> {
    await this.#hooks?.close();
    await this.#task?.close();
    await this.#executor.close();
  }

  /** It has been replaced, or its model is gone: what begins now is not for it. */
  get retired(): boolean {
    return this.#successor !== undefined;
  }

  /** Answers what is in flight, then closes; a request that comes later is the successor's. */
  async retire(successor: ServedVersion | undefined): Promise<void> {
    this.#successor = successor ?? null;
    // Every request has its answer by then, if only that it took too long.
    const untilMs = this.#clock.nowMs() + this.#timeoutMs;
    while (this.#clock.nowMs() < untilMs) {
      const threads = this.#task?.idle !== false && this.#hooks?.idle !== false;
      if (threads && this.#batcher.depth === 0 && this.#executor.ready()) break;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#clock.after(retireCheckMs, resolve);
      await promise;
    }
    await this.close();
  }

  /** A request that was decoded for this version: it fits another one of the same signature. */
  #passOn(work: Work): Ticket {
    const signatures = (of: ServedVersion): string =>
      JSON.stringify([of.signature, of.loaded.signature]);
    const successor = this.#successor ?? undefined;
    const same = successor !== undefined && signatures(successor) === signatures(this);
    if (same) return successor.submit(work);
    return { result: Promise.reject(justChanged()), cancel: () => {} };
  }
}

/** The fault of a request that was on its way to a version that is retired. */
export function justChanged(): ServingError {
  return new ServingError("not-ready", "the model has just changed, try again");
}

export type ServedModelParts = {
  readonly name: string;
  /** Ascending; the last one is the default. */
  readonly versions: readonly string[];
  readonly first: ServedVersion;
  /** Loads another version. */
  readonly open: (version: string) => Promise<ServedVersion>;
  /** Told of each try of that which fails. */
  readonly failed?: (version: string, error: unknown) => void;
  readonly clock?: Clock;
};

export class ServedModel {
  readonly name: string;
  readonly versions: readonly string[];
  readonly default: ServedVersion;
  readonly #parts: ServedModelParts;
  readonly #opened = new Map<string, Promise<ServedVersion>>();
  /** Of versions that could not be opened. */
  readonly #backOffs = new Map<string, BackOff>();

  constructor(parts: ServedModelParts) {
    const { name, versions, first } = parts;
    this.name = name;
    this.versions = versions;
    this.default = first;
    this.#parts = parts;
    this.#opened.set(first.version, Promise.resolve(first));
  }

  /**
   * A version, loaded if it isn't yet. Rejects with ServingError: `not-found`, or `not-ready` with
   * what is wrong with it, remembered for a while.
   */
  async version(version: string | undefined): Promise<ServedVersion> {
    if (version === undefined) return this.default;
    if (!this.versions.includes(version)) {
      throw new ServingError("not-found", `the model has no version ${JSON.stringify(version)}`);
    }
    const known = this.#opened.get(version);
    if (known !== undefined) return known;
    const opening = this.#open(version);
    this.#opened.set(version, opening);
    opening.catch(() => this.#opened.delete(version)); // a later request tries again
    return opening;
  }

  async #open(version: string): Promise<ServedVersion> {
    const { open, failed, clock = systemClock } = this.#parts;
    const backOff = this.#backOffs.get(version) ?? new BackOff(clock);
    backOff.check();
    try {
      return await open(version);
    } catch (error) {
      if (error instanceof NoRoom) throw error;
      failed?.(version, error);
      const fault = faultOfLoad(this.name, error, version);
      backOff.failed(fault);
      this.#backOffs.set(version, backOff);
      throw fault;
    }
  }

  /** Answers what is in flight, then ends; a request that comes later is the successor's. */
  async retire(successor: ServedModel | undefined): Promise<void> {
    const versions = await Promise.allSettled(this.#opened.values());
    await Promise.all(
      versions.map(async (each) =>
        each.status === "fulfilled" ? each.value.retire(successor?.default) : undefined,
      ),
    );
  }

  /** Ends all executors. */
  async close(): Promise<void> {
    const versions = await Promise.allSettled(this.#opened.values());
    await Promise.all(
      versions.map(async (each) => (each.status === "fulfilled" ? each.value.close() : undefined)),
    );
  }
}
