/** One version of a model that may or may not be in memory, and the errors that keep it out. */
import type { Clock } from "../batch/port.ts";
import { ServingError } from "../errors.ts";
import type { Host } from "../executor/host.ts";
import type { LoadedModel } from "../executor/messages.ts";
import type { Companion } from "../threads/presence.ts";
import { BackOff } from "./back-off.ts";

/** Where a unit lies while it is in memory. */
export type Place = { readonly host: Host; readonly session: number };

/** The file on this machine, and how many bytes will be read with it. */
export type ModelFile = { readonly path: string; readonly bytes: number };

export type UnitParts = {
  /** The model's name and version, for messages. */
  readonly name: string;
  /** Brings the file to this machine, if it isn't here. Rejects with StorageError. */
  readonly file: () => Promise<ModelFile>;
  /** Told of a failure to come back into memory; gives what its requests are answered with. */
  readonly onFailure: (error: unknown) => ServingError;
  readonly clock: Clock;
};

export class Unit {
  /** The model's name and version, for messages. */
  readonly name: string;
  /** Brings the file to this machine, if it isn't here. Rejects with StorageError. */
  readonly file: () => Promise<ModelFile>;
  place: Place | undefined;
  /** Where its file lay when it was loaded last. */
  path = "";
  /** What it takes in memory, in bytes, once that was measured. */
  bytes: number | undefined;
  loaded: LoadedModel | undefined;
  /** Threads that come and go with it: its task's, its handler's. */
  readonly companions: Companion[] = [];
  loading: Promise<void> | undefined;
  /** Requests that need it in memory now. */
  pins = 0;
  /** When it was needed last: a count, not a time. */
  usedAt = 0;
  /** It ended a process while it loaded: from now on it has one of its own. */
  solo = false;

  /** Of loads after the first one, which is for whoever opens the model to remember. */
  readonly backOff: BackOff;
  readonly #onFailure: UnitParts["onFailure"];

  constructor({ name, file, onFailure, clock }: UnitParts) {
    this.name = name;
    this.file = file;
    this.#onFailure = onFailure;
    this.backOff = new BackOff(clock);
  }

  /** Notes a load that failed. Want of room passes by itself, and is no failure of the model's. */
  failed(error: unknown): unknown {
    if (this.loaded === undefined || error instanceof NoRoom) return error;
    const fault = this.#onFailure(error);
    this.backOff.failed(fault);
    return fault;
  }

  /** Its session is in a process that lives. */
  get placed(): boolean {
    return this.place?.host.alive === true;
  }

  /** All of it is in memory: a request can be served. */
  get resident(): boolean {
    return this.placed && this.companions.every((each) => each.awake);
  }

  /** What its threads take now, in bytes. */
  get threadBytes(): number {
    const awake = this.companions.filter((each) => each.awake);
    return awake.reduce((sum, each) => sum + each.bytes, 0);
  }

  /** What those of its threads would take that are not in memory, by the last time. */
  get sleepingBytes(): number {
    const asleep = this.companions.filter((each) => !each.awake);
    return asleep.reduce((sum, each) => sum + each.bytes, 0);
  }

  /** Its threads back into memory. Rejects with LoadFailed. */
  async wake(path: string): Promise<void> {
    const asleep = this.companions.filter((each) => !each.awake);
    await Promise.all(asleep.map(async (each) => each.resume(path)));
  }

  /** Its threads out of memory. */
  async sleep(): Promise<void> {
    await Promise.all(this.companions.map(async (each) => each.suspend()));
  }
}

/** There is no room now, but there may be in a moment. */
export class NoRoom extends ServingError {
  constructor(message: string) {
    super("not-ready", message);
  }
}

/** The file is not the one loaded before: a request that was decoded for that one must not run. */
export class Changed extends ServingError {
  constructor(name: string) {
    super("not-ready", `the model "${name}" has just changed; try again`);
  }
}

const mebibyte = 1024 * 1024;

/** Bytes as people read them: whole MiB, rounded up. */
export function inMib(bytes: number): string {
  return `${Math.ceil(bytes / mebibyte)} MiB`;
}

/** What a model will take before that was measured: its bytes, and as much again while it's read. */
export function estimateBytes(fileBytes: number): number {
  return 2 * fileBytes;
}

/** The fault of a model that can never fit. */
export function tooLarge(given: {
  readonly name: string;
  readonly bytes: number;
  /** Of a process without any model. */
  readonly baseBytes: number;
  readonly budgetBytes: number;
}): ServingError {
  const [bytes, base, budget] = [given.bytes, given.baseBytes, given.budgetBytes].map(inMib);
  return new ServingError(
    "failed",
    `the model "${given.name}" needs about ${bytes} of memory besides the ${base} of its ` +
      `process; MODEL_MEMORY_BUDGET is ${budget}: raise it`,
  );
}

/** Whether requests that were decoded for one fit the other. */
export function sameSignature(one: LoadedModel, other: LoadedModel): boolean {
  return JSON.stringify(one.signature) === JSON.stringify(other.signature);
}
