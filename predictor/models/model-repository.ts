/**
 * Many models behind one port: each loads on its first request, leaves memory when others need the
 * room, and is replaced when its source changes. What is wrong with one is that one's own answer.
 */
import type { Clock } from "../batch/port.ts";
import { ServingError, messageOf } from "../errors.ts";
import type { IndexedModel } from "../repository/model-index.ts";
import type { ModelVersion } from "../repository/read-folder.ts";
import type { ServedModel } from "../served-model.ts";
import { BackOff } from "./back-off.ts";
import { faultOfLoad } from "./faults.ts";
import { Generation } from "./generation.ts";
import type { GenerationParts } from "./generation.ts";
import { noSuchModel } from "./models.ts";
import type { ModelEntry, Models } from "./models.ts";
import type { Residency } from "./residency.ts";
import { Changed, NoRoom } from "./unit.ts";

export type RepositoryOptions = {
  readonly index: () => Promise<readonly IndexedModel[]>;
  readonly fetch: (model: IndexedModel) => Promise<readonly ModelVersion[]>;
  readonly residency: Residency;
  readonly makeVersion: GenerationParts["makeVersion"];
  readonly equip: GenerationParts["equip"];
  readonly clock: Clock;
  /** How long a request waits for its model to be loaded the first time. */
  readonly waitMs: number;
  readonly observer: RepositoryObserver;
};

export type RepositoryObserver = {
  /** A model was loaded, anew or for the first time: it is served from now on. */
  served(model: ServedModel): void;
  /** It is not served under its name any more. */
  withdrawn(name: string): void;
  failed(name: string, reason: string): void;
};

type Entry = {
  source: IndexedModel;
  /** What serves; it may have left memory. */
  generation: Generation | undefined;
  opening: Promise<ServedModel> | undefined;
  /** Of opening it. */
  readonly backOff: BackOff;
  unloaded: boolean;
};

export class ModelRepository implements Models {
  readonly #options: RepositoryOptions;
  readonly #entries = new Map<string, Entry>();

  private constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /**
   * Reads the index and loads what must be there at the start: these names, or all for "*".
   * Rejects with the first fault of the index or of one of them. `begun` is told of the repository
   * before anything is loaded.
   */
  static async open(
    options: RepositoryOptions,
    preload: readonly string[],
    begun: (repository: ModelRepository) => void = () => {},
  ): Promise<ModelRepository> {
    const repository = new ModelRepository(options);
    begun(repository);
    for (const source of await options.index()) repository.#add(source);
    const all = preload.includes("*");
    for (const name of all ? [...repository.#entries.keys()] : preload) {
      const entry = repository.#entries.get(name);
      if (entry === undefined) throw noSuchModel(name);
      await repository.#open(entry);
    }
    return repository;
  }

  readonly ready = true;

  list(): readonly ModelEntry[] {
    return [...this.#entries.values()].map(({ source, ...entry }) => ({
      name: source.name,
      versions: entry.generation?.model.versions ?? [],
      state:
        entry.opening !== undefined
          ? "LOADING"
          : entry.generation?.resident === true
            ? "READY"
            : "UNAVAILABLE",
      reason: entry.unloaded
        ? "unloaded"
        : entry.backOff.reason || (entry.generation?.reason ?? ""),
    }));
  }

  find(name: string): ServedModel | Promise<ServedModel> {
    const entry = this.#entry(name);
    if (entry.unloaded) {
      throw new ServingError("not-found", `the model ${JSON.stringify(name)} is unloaded`);
    }
    if (entry.generation !== undefined) return entry.generation.model;
    if (entry.opening !== undefined) return this.#soon(entry.opening);
    entry.backOff.check();
    return this.#soon(this.#opening(entry));
  }

  async load(name: string): Promise<void> {
    const entry = this.#entry(name);
    await entry.opening?.catch(() => {});
    entry.backOff.clear();
    await this.#opening(entry);
    entry.unloaded = false;
  }

  async unload(name: string): Promise<void> {
    const entry = this.#entry(name);
    await entry.opening?.catch(() => {});
    entry.unloaded = true;
    this.#retire(entry);
  }

  /** Whether the model is on its way into memory: its files must stay until it's there. */
  isLoading(uri: string): boolean {
    for (const { source, generation, opening } of this.#entries.values()) {
      if (source.uri === uri) return opening !== undefined || generation?.loading === true;
    }
    return false;
  }

  /** Reads the index again: new models appear, gone ones leave, changed ones are loaded anew. */
  async refresh(): Promise<void> {
    const found = new Map((await this.#options.index()).map((each) => [each.name, each]));
    for (const [name, entry] of this.#entries) {
      if (found.has(name)) continue;
      this.#entries.delete(name);
      this.#retire(entry);
    }
    for (const [name, source] of found) {
      const entry = this.#entries.get(name);
      if (entry === undefined) this.#add(source);
      else if (entry.source.fingerprint !== source.fingerprint) await this.#change(entry, source);
    }
  }

  async close(): Promise<void> {
    await this.#options.residency.close();
  }

  /** A request waits for a load no longer than for its answer; the load goes on. */
  async #soon(opening: Promise<ServedModel>): Promise<ServedModel> {
    const { clock, waitMs } = this.#options;
    const { promise, reject } = Promise.withResolvers<never>();
    const late = new ServingError("not-ready", "the model is still loading, try again later");
    const cancel = clock.after(waitMs, () => reject(late));
    return Promise.race([opening, promise]).finally(cancel);
  }

  #add(source: IndexedModel): void {
    this.#entries.set(source.name, {
      source,
      generation: undefined,
      opening: undefined,
      backOff: new BackOff(this.#options.clock),
      unloaded: false,
    });
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw noSuchModel(name);
    return entry;
  }

  /** What was never asked for waits for its first request; the rest is replaced when it's loaded. */
  async #change(entry: Entry, source: IndexedModel): Promise<void> {
    await entry.opening?.catch(() => {});
    entry.source = source;
    entry.backOff.clear();
    if (entry.generation === undefined || entry.unloaded) return;
    await this.#opening(entry).catch(() => {}); // It was reported; the old one goes on serving.
  }

  #opening(entry: Entry): Promise<ServedModel> {
    entry.opening ??= this.#open(entry)
      .catch((error: unknown) => {
        throw this.#remember(entry, error);
      })
      .finally(() => (entry.opening = undefined));
    return entry.opening;
  }

  async #open(entry: Entry): Promise<ServedModel> {
    const { residency, clock, waitMs, fetch, makeVersion, equip, observer } = this.#options;
    const { source } = entry;
    const generation = await Generation.open({
      name: source.name,
      residency,
      clock,
      waitMs,
      makeVersion,
      equip,
      fetch: async () => fetch(source),
      onFailure: (error) => {
        observer.failed(source.name, messageOf(error));
        if (error instanceof Changed) void this.#opening(entry).catch(() => {});
      },
    });
    if (this.#entries.get(source.name) !== entry) {
      // It was removed where it is kept while it was on its way.
      void generation.retire(undefined);
      throw noSuchModel(source.name);
    }
    const before = entry.generation;
    entry.generation = generation;
    entry.backOff.clear();
    observer.served(generation.model);
    // Requests in flight keep the old one in memory until they are answered.
    void before?.retire(generation);
    return generation.model;
  }

  /** Want of room passes by itself; every other fault is answered at once for a while. */
  #remember(entry: Entry, error: unknown): ServingError {
    const { name } = entry.source;
    if (this.#entries.get(name) !== entry) return noSuchModel(name);
    const fault = faultOfLoad(name, error);
    if (error instanceof NoRoom) return fault;
    this.#options.observer.failed(name, messageOf(error));
    entry.backOff.failed(fault);
    return fault;
  }

  #retire(entry: Entry): void {
    const { generation, source } = entry;
    entry.generation = undefined;
    this.#options.observer.withdrawn(source.name);
    void generation?.retire(undefined);
  }
}
