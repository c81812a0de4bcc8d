/** A predictor of one model: loaded at the start, served until the end. */
import { ServingError } from "../errors.ts";
import type { ServedModel } from "../served-model.ts";
import { noSuchModel } from "./models.ts";
import type { ModelEntry, Models } from "./models.ts";

export class OneModel implements Models {
  readonly #model: ServedModel;

  constructor(model: ServedModel) {
    this.#model = model;
  }

  get ready(): boolean {
    return this.#model.default.ready;
  }

  list(): readonly ModelEntry[] {
    const { name, versions } = this.#model;
    return [{ name, versions, state: this.ready ? "READY" : "LOADING", reason: "" }];
  }

  find(name: string): ServedModel {
    if (name !== this.#model.name) throw noSuchModel(name);
    return this.#model;
  }

  async load(name: string): Promise<void> {
    this.find(name);
  }

  async unload(name: string): Promise<void> {
    this.find(name);
    throw new ServingError("invalid", "the only model of a service can't be unloaded");
  }

  async close(): Promise<void> {
    await this.#model.close();
  }
}
