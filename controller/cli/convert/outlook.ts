/** PURE: what a cluster will say to what was converted, as far as that can be known without one. */
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import type { ServingRuntime } from "../../api/servingruntime.gen.ts";
import type { Config } from "../../config.ts";
import { clusterFacts } from "../../desired/facts.ts";
import { preflightFindings, type Finding } from "../check/verdict.ts";
import { serviceFaults } from "../manifest.ts";
import { runtimesOf } from "../render/command.ts";
import type { Schema } from "../schema.ts";

export interface Known {
  /** The InferenceService's in crds/. */
  readonly schema: Schema;
  readonly settings: Config;
  /** Those that stand beside it; what else a cluster has, is not known. */
  readonly runtimes: readonly ServingRuntime[];
}

/** Refusals that another runtime in the cluster would lift. */
const FOR_LACK_OF_A_RUNTIME: readonly string[] = [
  "RuntimeNotFound",
  "NoSupportingRuntime",
  "ProtocolNotSupported",
];

/**
 * A sentence for each refusal and warning that the converted InferenceService will meet. Nothing is
 * refused for the sake of a cluster's configuration, which nobody asked.
 */
export function outlook(converted: object, known: Known): readonly string[] {
  const faults = serviceFaults(known.schema, converted);
  if (faults.length > 0) {
    return faults.map(({ message }) => `will be refused: ${message}`);
  }
  const isvc = converted as InferenceService;
  const facts = clusterFacts(known.settings.knativeNamespace, () => undefined);
  const runtimes = runtimesOf(known.runtimes, isvc);
  const ground = { known: { facts }, settings: known.settings, runtimes, accountSecrets: [] };
  return preflightFindings(isvc, ground).map(sentence);
}

function sentence({ severity, reason, message }: Finding): string {
  if (severity === "warning") {
    return `warning: ${reason}: ${message}`;
  }
  const unless = FOR_LACK_OF_A_RUNTIME.includes(reason)
    ? ", unless the cluster has a runtime for it"
    : "";
  return `will be refused${unless}: ${reason}: ${message}`;
}
