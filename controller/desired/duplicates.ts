/**
 * Names that a pod may have once. The schema sees to it where the user writes them; here also stand
 * those that a storageUri, a runtime or an accelerator brings.
 */
import type { KnativeService } from "../api/knative-service.gen.ts";
import type { ComponentName } from "../api/names.ts";
import { allContainers } from "./features.ts";
import type { Refusal } from "./refusal.ts";

/** The first name that two volumes or two containers of `service` have, or undefined. */
export function duplicateFault(
  component: ComponentName,
  service: KnativeService,
): Refusal | undefined {
  const pod = service.spec?.template?.spec;
  if (pod === undefined) {
    return undefined;
  }
  const volume = twice((pod.volumes ?? []).map(({ name }) => name));
  const container = twice(allContainers(pod).flatMap(({ name }) => name ?? []));
  const [field, name] = volume === undefined ? ["containers", container] : ["volumes", volume];
  return name === undefined
    ? undefined
    : {
        reason: "InvalidSpec",
        message: `spec.${component}.${field}: two have the name ${name}, of which one may come from the storageUri, the runtime or the accelerator; give yours another name`,
      };
}

function twice(names: readonly string[]): string | undefined {
  return names.find((name, at) => names.indexOf(name) < at);
}
