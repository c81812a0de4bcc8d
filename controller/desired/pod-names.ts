/**
 * Names within a pod: those that it may have once, and volumes and mounts that must meet. The
 * schema knows what the user writes; here also stands what a storageUri, a runtime or an
 * accelerator brings.
 */
import type { KnativeService, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import type { ComponentName } from "../api/names.ts";
import { allContainers } from "./features.ts";
import type { Refusal } from "./refusal.ts";

/** What is wrong with the names in the pods of `service`, or undefined. */
export function nameFault(component: ComponentName, service: KnativeService): Refusal | undefined {
  const pod = service.spec?.template?.spec;
  const at = `spec.${component}`;
  return pod === undefined ? undefined : (duplicateFault(pod, at) ?? volumeFault(pod, at));
}

/** Knative takes no volume without a mount (its k8s_validation.go), nor a mount of none. */
function volumeFault(pod: KnativeServicePodSpec, at: string): Refusal | undefined {
  const volumes = (pod.volumes ?? []).map(({ name }) => name);
  const mounts = allContainers(pod).flatMap(({ name = "", volumeMounts = [] }) =>
    volumeMounts.map((mount) => ({ container: name, volume: mount.name })),
  );
  const lost = mounts.find(({ volume }) => !volumes.includes(volume));
  const idle = volumes.find((name) => !mounts.some(({ volume }) => volume === name));
  const message =
    lost !== undefined
      ? `${at}: the container ${lost.container} mounts the volume ${lost.volume}, which is not among volumes`
      : idle !== undefined
        ? `${at}.volumes: no container mounts the volume ${idle}, and Knative takes none that is not mounted; mount it or leave it out`
        : undefined;
  return message === undefined ? undefined : { reason: "InvalidSpec", message };
}

function duplicateFault(pod: KnativeServicePodSpec, at: string): Refusal | undefined {
  const volume = twice((pod.volumes ?? []).map(({ name }) => name));
  const container = twice(allContainers(pod).flatMap(({ name }) => name ?? []));
  const [field, name] = volume === undefined ? ["containers", container] : ["volumes", volume];
  return name === undefined
    ? undefined
    : {
        reason: "InvalidSpec",
        message: `${at}.${field}: two have the name ${name}, of which one may come from the storageUri, the runtime or the accelerator; give yours another name`,
      };
}

function twice(names: readonly string[]): string | undefined {
  return names.find((name, at) => names.indexOf(name) < at);
}
