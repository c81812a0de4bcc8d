/**
 * Extended resources (devices): Kubernetes gives them whole, and limits must equal requests
 * (kubernetes.io/docs/tasks/administer-cluster/extended-resource-node). It says so when the pod is
 * made, which nobody sees: here it is said before anything is applied.
 */
import type { KnativeService, KnativeServiceContainer } from "../api/knative-service.gen.ts";
import type { ComponentName } from "../api/names.ts";
import { parseQuantity } from "./quantity.ts";
import type { Refusal } from "./refusal.ts";

/** Whether a resource's name is that of a device: it has a domain, which is not Kubernetes' own. */
export function isExtended(resource: string): boolean {
  const [domain, name] = resource.split("/");
  return name !== undefined && domain !== undefined && !/(^|\.)kubernetes\.io$/.test(domain);
}

/** The first request of a device in `service` that no cluster can fulfil, or undefined. */
export function deviceFault(
  component: ComponentName,
  service: KnativeService,
): Refusal | undefined {
  for (const container of service.spec?.template?.spec?.containers ?? []) {
    const fault = containerFault(container);
    if (fault !== undefined) {
      const at = `resources of container ${container.name ?? ""} of spec.${component}`;
      return { reason: "InvalidResources", message: `${at}: ${fault}` };
    }
  }
  return undefined;
}

function containerFault({ resources }: KnativeServiceContainer): string | undefined {
  const { limits = {}, requests = {} } = resources ?? {};
  for (const name of new Set([...Object.keys(limits), ...Object.keys(requests)])) {
    const [limit, request] = [limits[name], requests[name]];
    if (!isExtended(name)) {
      continue;
    }
    const stated = limit ?? request ?? 0;
    if (!Number.isInteger(parseQuantity(stated))) {
      return (
        `${stated} of ${name}, but devices are given whole; to share one, have the device plugin offer parts of it ` +
        `(MIG, time-slicing) and ask for those by their own resource name`
      );
    }
    if (limit === undefined) {
      return `${name} stands in requests alone; Kubernetes wants it in limits`;
    }
    if (request !== undefined && parseQuantity(request) !== parseQuantity(limit)) {
      return `limits have ${limit} of ${name}, requests ${request}; for devices both must be equal`;
    }
  }
  return undefined;
}
