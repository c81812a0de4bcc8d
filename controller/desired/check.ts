/** What is refused of a component's spec, whichever component it is and whatever serves it. */
import type { TransformerSpec } from "../api/inferenceservice.gen.ts";
import { checkContainer } from "./containers.ts";
import { checkPodFields } from "./pod.ts";
import type { Refusal } from "./refusal.ts";
import { unsupported } from "./unsupported.ts";

/** `spec` stands at `path`; `tables` are those of unsupported.ts for this component alone. */
export function checkComponent(
  spec: Omit<TransformerSpec, "containers">,
  path: string,
  tables: Parameters<typeof unsupported>[2],
): Refusal | undefined {
  return (
    unsupported(spec, path, ["pod", "scaling", ...tables]) ??
    unsupported(spec.logger, `${path}.logger`, ["logger"]) ??
    checkPodFields(spec, path) ??
    checkInitContainers(spec, path)
  );
}

function checkInitContainers(
  { initContainers = [] }: Pick<TransformerSpec, "initContainers">,
  path: string,
): Refusal | undefined {
  for (const [at, container] of initContainers.entries()) {
    const where = `${path}.initContainers[${at}]`;
    const probe = ["readinessProbe", "livenessProbe", "startupProbe"].find(
      (name) => name in container,
    );
    const refusal =
      probe === undefined
        ? checkContainer(container, where, false)
        : {
            reason: "InvalidContainer",
            message: `${where}.${probe} must not be set: an init container ends before anybody would ask it`,
          };
    if (refusal !== undefined) {
      return refusal;
    }
  }
  return undefined;
}
