/** A model at one state of its source: its versions as units, and how it is served. */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../batch/port.ts";
import type { LoadedModel } from "../executor/messages.ts";
import type { ModelVersion } from "../repository/read-folder.ts";
import { ServedModel } from "../served-model.ts";
import type { Executor, ServedVersion } from "../served-model.ts";
import { folderBytes } from "./folder-bytes.ts";
import { faultOfLoad } from "./faults.ts";
import type { Residency } from "./residency.ts";
import { ResidentExecutor } from "./resident.ts";
import { Unit } from "./unit.ts";

export type GenerationParts = {
  readonly name: string;
  readonly residency: Residency;
  readonly clock: Clock;
  /** Brings the files to this machine, if they aren't here. Rejects with StorageError. */
  readonly fetch: () => Promise<readonly ModelVersion[]>;
  readonly makeVersion: (parts: {
    readonly model: string;
    readonly version: string;
    readonly loaded: LoadedModel;
    readonly executor: Executor;
  }) => ServedVersion;
  /** Told of each failed load. */
  readonly onFailure: (error: unknown) => void;
};

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
      return new ServedModel({ name: parts.name, versions, first, open });
    });
  }

  /** Something of it is on its way into memory: its files must stay until it's there. */
  get loading(): boolean {
    return this.#units.some((unit) => unit.loading !== undefined);
  }

  get resident(): boolean {
    return this.#units.some((unit) => unit.resident);
  }

  async #openVersion(version: string): Promise<ServedVersion> {
    const unit = unitOf(this.#parts, version);
    this.#units.push(unit);
    return openUnit(this.#parts, unit, version);
  }

  /** Takes it out of memory once its requests are answered. */
  async retire(successor: Generation | undefined): Promise<void> {
    await this.model.retire(successor?.model);
  }
}

function unitOf({ name, fetch }: GenerationParts, version: string): Unit {
  return new Unit(version === "1" ? name : `${name} ${version}`, async () => {
    const found = (await fetch()).find((each) => each.version === version);
    if (found === undefined) throw new Error(`version ${version} is not in the repository`);
    const { size } = await stat(found.path);
    const beside = await folderBytes(dirname(found.path), (file) => /\.onnx[._-]?data/.test(file));
    return { path: found.path, bytes: size + beside };
  });
}

async function openUnit(
  { name, residency, clock, makeVersion, onFailure }: GenerationParts,
  unit: Unit,
  version: string,
): Promise<ServedVersion> {
  await residency.acquire(unit);
  const { loaded } = unit;
  if (loaded === undefined) throw new Error("a unit was loaded without a description");
  const faultOf = (error: unknown) => {
    onFailure(error);
    return faultOfLoad(name, error);
  };
  const executor = new ResidentExecutor(unit, residency, { faultOf }, clock);
  return makeVersion({ model: name, version, loaded, executor });
}
