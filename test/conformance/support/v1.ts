/** The inference in the words of KServe's first protocol. */
import assert from "node:assert/strict";
import { nest } from "./nest.ts";
import type { Target } from "./target.ts";

export function predictPath({ model }: Pick<Target, "model">): string {
  return `/v1/models/${encodeURIComponent(model)}:predict`;
}

/** A row per instance. Throws for a model with several inputs. */
export function instancesOf({ request }: Target): unknown[] {
  const [input] = request.inputs;
  assert(input !== undefined && request.inputs.length === 1, "a model with one input");
  return nest(input);
}
