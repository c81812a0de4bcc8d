/** What status, history and rollback have in common: one InferenceService of a cluster, by name. */
import type { InferenceService } from "../../api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE } from "../../api/kinds.ts";
import { isOfKServe, kserveKind } from "../../api/kserve.ts";
import type { Kind } from "../../cluster.ts";
import { isStatus } from "../../kube/errors.ts";
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

/** The kind of an InferenceService that was read: ours, or ours in KServe's group. */
export function kindOf(isvc: InferenceService): Kind {
  return isOfKServe(isvc) ? kserveKind(INFERENCE_SERVICE) : INFERENCE_SERVICE;
}

/**
 * The InferenceService `name`, of KServe's group where ours has none.
 * @throws CliError 1 when there is none of this name.
 */
export async function readService(kube: KubeAccess, name: string): Promise<InferenceService> {
  const found =
    (await kube.get<InferenceService>(INFERENCE_SERVICE, kube.namespace, name)) ??
    (await readOfKServe(kube, name));
  if (found === undefined) {
    throw new CliError(EXIT.no, `there is no InferenceService ${name} in ${kube.namespace}`);
  }
  return found;
}

/** Whoever may not look into KServe's group is told what there is in ours. */
async function readOfKServe(kube: KubeAccess, name: string): Promise<InferenceService | undefined> {
  try {
    const kind = kserveKind(INFERENCE_SERVICE);
    return await kube.get<InferenceService>(kind, kube.namespace, name);
  } catch (error) {
    if (isStatus(error, 403)) {
      return undefined;
    }
    throw error;
  }
}
