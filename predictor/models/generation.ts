/** A model at one state of its source: its versions as units, and how it is served. */
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../batch/port.ts";
import { ServingError } from "../errors.ts";
import type { LoadedModel } from "../executor/messages.ts";
import type { ModelVersion } from "../repository/read-folder.ts";
import { justChanged, ServedModel } from "../served-model.ts";
import type { Executor, ServedVersion, VersionPresence } from "../served-model.ts";
import { folderBytes } from "./folder-bytes.ts";
import { faultOfLoad } from "./faults.ts";
import type { Residency } from "./residency.ts";
import { ResidentExecutor } from "./resident.ts";
import { Unit } from "./unit.ts";
import type { ModelFile } from "./unit.ts";

export type GenerationParts = {
  readonly name: string;
  readonly residency: Residency;
  readonly clock: Clock;
  /** How long a request waits for the model to come back into memory. */
  readonly waitMs: number;
  /** Brings the files to this machine, if they aren't here. Rejects with StorageError. */
  readonly fetch: () => Promise<readonly ModelVersion[]>;
  readonly makeVersion: (parts: {
    readonly model: string;
    readonly version: string;
    readonly loaded: LoadedModel;
    readonly executor: Executor;
  }) => ServedVersion;
  /** Adds what lies beside the graph at `path`. Rejects with LoadFailed. */
  readonly equip: (version: ServedVersion, path: string, about: Equipping) => Promise<void>;
  /** Told of each failed load. */
  readonly onFailure: (error: unknown) => void;
};

export type Equipping = { readonly model: string; readonly presence: VersionPresence };

export class Generation {
  readonly #parts: GenerationParts;
  readonly #units: Unit[] = [];
  readonly model: ServedModel;

  private constructor(parts: GenerationParts, model: (own: Generation) => ServedModel) {
    this.#parts = parts;
    this.model = model(this);
  }

  /** Loads the newest version. Rejects with StorageError, LoadFailed or ServingError. */
  static async open(parts: GenerationParts): Promise<Generation> {
    const versions = (await parts.fetch()).map((each) => each.version);
    const newest = versions.at(-1);
    if (newest === undefined) throw new Error("the repository gave a model without a version");
    const unit = unitOf(parts, newest);
    const first = await openUnit(parts, unit, newest);
    return new Generation(parts, (own) => {
      own.#units.push(unit);
      const open = async (version: string): Promise<ServedVersion> => own.#openVersion(version);
      const { name, clock, onFailure } = parts;
      const failed = (_version: string, error: unknown): void => onFailure(error);
      return new ServedModel({ name, versions, first, open, failed, clock });
    });
  }

  /** Something of it is on its way into memory: its files must stay until it's there. */
  get loading(): boolean {
    return this.#units.some((unit) => unit.loading !== undefined);
  }

  get resident(): boolean {
    return this.#units.some((unit) => unit.resident);
  }

  /** Why it can't come back into memory; "" when it can, or nobody knows. */
  get reason(): string {
    return this.#units.map((unit) => unit.backOff.reason).find((each) => each !== "") ?? "";
  }

  async #openVersion(version: string): Promise<ServedVersion> {
    const unit = unitOf(this.#parts, version);
    this.#units.push(unit);
    try {
      return await openUnit(this.#parts, unit, version);
    } catch (error) {
      this.#units.splice(this.#units.indexOf(unit), 1);
      throw error;
    }
  }

  /** Takes it out of memory once its requests are answered. */
  async retire(successor: Generation | undefined): Promise<void> {
    await this.model.retire(successor?.model);
  }
}

function unitOf(parts: GenerationParts, version: string): Unit {
  const { name, fetch, clock } = parts;
  const onFailure = (error: unknown): ServingError => faultIn(parts, error);
  const file = async (): Promise<ModelFile> => {
    const found = (await fetch()).find((each) => each.version === version);
    if (found === undefined) throw new Error(`version ${version} is not in the repository`);
    return modelFile(found.path);
  };
  return new Unit({ name: version === "1" ? name : `${name} ${version}`, file, onFailure, clock });
}

async function modelFile(path: string): Promise<ModelFile> {
  const { size } = await stat(path);
  const ofData = (file: string): boolean => /\.onnx[._-]?data/.test(file);
  // Of several graphs each has data of its own, named after it.
  const own = (file: string): boolean => ofData(file) && file.startsWith(basename(path));
  const folder = dirname(path);
  const beside = (await folderBytes(folder, own)) || (await folderBytes(folder, ofData));
  return { path, bytes: size + beside };
}

/** A version with all that belongs to it, in memory. What can't be opened leaves nothing behind. */
async function openUnit(
  parts: GenerationParts,
  unit: Unit,
  version: string,
): Promise<ServedVersion> {
  const { name, residency, equip } = parts;
  const [served] = await openGraph(parts, unit, version);
  const units = [unit];
  // Until it is whole, its graph must not leave again.
  await residency.acquire(unit);
  const hold = async (): Promise<() => void> => {
    // It would come back into memory for good.
    if (served.retired) throw justChanged();
    return holdAll(parts, units);
  };
  try {
    const presence: VersionPresence = {
      hold,
      join: (companion) => void unit.companions.push(companion),
      openGraph: async (path) => {
        const graph = graphOf(parts, unit, basename(path));
        const [other, another] = await openGraph(parts, graph, version);
        units.push(another);
        return other;
      },
    };
    await equip(served, unit.path, { model: name, presence });
    if (unit.companions.length > 0) await residency.grown(unit);
    residency.release(unit);
    return served;
  } catch (error) {
    residency.release(unit);
    await served.close();
    throw error;
  }
}

/** A graph of its own beside the first one of a model. */
function graphOf(parts: GenerationParts, unit: Unit, name: string): Unit {
  const { clock } = parts;
  const onFailure = (error: unknown): ServingError => faultIn(parts, error);
  const file = async (): Promise<ModelFile> => {
    const { path } = await unit.file();
    return modelFile(join(dirname(path), name));
  };
  return new Unit({ name: `${unit.name} ${name}`, file, onFailure, clock });
}

async function openGraph(
  parts: GenerationParts,
  unit: Unit,
  version: string,
): Promise<[ServedVersion, Unit]> {
  const { name: model, residency, clock, makeVersion } = parts;
  await residency.acquire(unit);
  const { loaded } = unit;
  if (loaded === undefined) throw new Error("a unit was loaded without a description");
  const faultOf = (error: unknown): ServingError => faultOfLoad(model, error);
  const executor = new ResidentExecutor(unit, residency, { faultOf }, clock);
  return [makeVersion({ model, version, loaded, executor }), unit];
}

function faultIn({ name, onFailure }: GenerationParts, error: unknown): ServingError {
  onFailure(error);
  return faultOfLoad(name, error);
}

/** All graphs of a model in memory; who waits longer than a request may is told to come back. */
async function holdAll(parts: GenerationParts, units: readonly Unit[]): Promise<() => void> {
  const { clock, waitMs } = parts;
  const { promise, reject } = Promise.withResolvers<never>();
  const late = new ServingError("not-ready", "the model is still loading, try again later");
  const holding = acquireAll(parts, units);
  const cancel = clock.after(waitMs, () => {
    reject(late);
    void holding.then((release) => release()).catch(() => {}); // It was reported.
  });
  return Promise.race([holding, promise]).finally(cancel);
}

async function acquireAll(parts: GenerationParts, units: readonly Unit[]): Promise<() => void> {
  const { residency } = parts;
  const held: Unit[] = [];
  const release = (): void => held.splice(0).forEach((unit) => residency.release(unit));
  try {
    for (const unit of units) {
      await residency.acquire(unit);
      held.push(unit);
    }
    return release;
  } catch (error) {
    release();
    throw faultOfLoad(parts.name, error);
  }
}
