/** What the HTTP side asks about the predictor's life. */
import { ServingError } from "../errors.ts";
import type { ServedModel } from "../served-model.ts";

/** loading → serving → draining; a predictor whose load failed ends itself. */
export type Phase = "loading" | "serving" | "draining";

export class Service {
  phase: Phase = "loading";
  #model: ServedModel | undefined;

  /** The model is loaded: from now on requests are served. */
  serve(model: ServedModel): void {
    this.#model = model;
    if (this.phase === "loading") this.phase = "serving";
  }

  /** What GET /v2/health/ready says. */
  get ready(): boolean {
    return this.phase === "serving" && this.#model?.default.ready === true;
  }

  /** The model, also during the drain. */
  get model(): ServedModel | undefined {
    return this.#model;
  }

  /** The model of that name. Throws ServingError `not-ready` or `not-found`. */
  modelNamed(name: string): ServedModel {
    if (this.#model === undefined) {
      throw new ServingError("not-ready", "the model is still loading, try again later");
    }
    if (this.#model.name !== name) {
      const shown = JSON.stringify(name.slice(0, 64));
      throw new ServingError("not-found", `there is no model ${shown}`);
    }
    return this.#model;
  }
}
