/** The models of a predictor, as the HTTP side asks for them; one, or a whole repository. */
import { ServingError } from "../errors.ts";
import type { ServedModel } from "../served-model.ts";

/** Triton's words for GET repository/index. */
export type ModelState = "READY" | "LOADING" | "UNAVAILABLE";

export type ModelEntry = {
  readonly name: string;
  /** Ascending; empty while nobody has looked. */
  readonly versions: readonly string[];
  readonly state: ModelState;
  /** Why it is unavailable: "" when it isn't, or when it only waits for its first request. */
  readonly reason: string;
};

/** What can be asked for by name. Faults are ServingErrors. */
export type Models = {
  /** Whether requests may come: what must be there at the start is there. */
  readonly ready: boolean;
  /** All of them, by name. */
  list(): readonly ModelEntry[];
  /**
   * The model of that name: at once when it was loaded before, else once it is. Throws or rejects
   * with `not-found`, `not-ready`, or `failed` when it can't be loaded.
   */
  find(name: string): ServedModel | Promise<ServedModel>;
  /** Loads it anew from where it is kept; the old one serves until then. */
  load(name: string): Promise<void>;
  /** Takes it out of service until it is loaded by name. */
  unload(name: string): Promise<void>;
  close(): Promise<void>;
};

/** The fault of a name that nothing has. */
export function noSuchModel(name: string): ServingError {
  return new ServingError("not-found", `there is no model ${JSON.stringify(name.slice(0, 64))}`);
}
