/** What the HTTP side asks about the predictor's life and its models. */
import { ServingError } from "../errors.ts";
import type { ModelEntry, Models } from "../models/models.ts";
import type { ServedModel } from "../served-model.ts";

/** loading → serving → draining; a predictor whose load failed ends itself. */
export type Phase = "loading" | "serving" | "draining";

export class Service {
  phase: Phase = "loading";
  #models: Models | undefined;

  /** What must be there at the start is there: from now on requests are served. */
  serve(models: Models): void {
    this.#models = models;
    if (this.phase === "loading") this.phase = "serving";
  }

  /** What GET /v2/health/ready says. */
  get ready(): boolean {
    return this.phase === "serving" && this.#models?.ready === true;
  }

  /** All models, loaded or not; none before the first is loaded. */
  models(): readonly ModelEntry[] {
    return this.#models?.list() ?? [];
  }

  /**
   * The model of that name: at once when it's known, as the hot path wants it; else a promise, while
   * it loads. Throws or rejects with ServingError `not-ready`, `not-found` or `failed`.
   */
  modelNamed(name: string): ServedModel | Promise<ServedModel> {
    return this.#served().find(name);
  }

  /** Loads a model anew. Rejects with ServingError. */
  async load(name: string): Promise<void> {
    await this.#served().load(name);
  }

  /** Takes a model out of service until it's loaded by name. Rejects with ServingError. */
  async unload(name: string): Promise<void> {
    await this.#served().unload(name);
  }

  async close(): Promise<void> {
    await this.#models?.close();
  }

  #served(): Models {
    if (this.#models !== undefined) return this.#models;
    throw new ServingError("not-ready", "the model is still loading, try again later");
  }
}
