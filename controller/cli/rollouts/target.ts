/** What status, history and rollback have in common: one InferenceService of a cluster, by name. */
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE } from "../../api/kinds.ts";
import { CliError, EXIT, noMoreThan } from "../command.ts";
import type { KubeAccess } from "../kube.ts";

/** The only argument. @throws CliError 64 */
export function nameOf(positionals: readonly string[]): string {
  noMoreThan(1, positionals, "one InferenceService is asked for at a time");
  const [name] = positionals;
  if (name === undefined) {
    throw new CliError(EXIT.usage, "the name of an InferenceService is missing");
  }
  return name;
}

/** @throws CliError 1 when there is none of this name. */
export async function readService(kube: KubeAccess, name: string): Promise<InferenceService> {
  const found = await kube.get<InferenceService>(INFERENCE_SERVICE, kube.namespace, name);
  if (found === undefined) {
    throw new CliError(EXIT.no, `there is no InferenceService ${name} in ${kube.namespace}`);
  }
  return found;
}
