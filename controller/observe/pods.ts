/** The slice of a pod that says why a revision is not up. */
import type { KubeObject } from "../cluster.ts";

export interface ContainerStateTerminated {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: object;
    readonly terminated?: ContainerStateTerminated;
  };
  readonly lastState?: { readonly terminated?: ContainerStateTerminated };
}

export interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly lastTransitionTime?: string;
    }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** Knative's sidecar; what happens to it is seldom the cause. */
export const QUEUE_PROXY = "queue-proxy";

/** Whether it takes requests, at an address that is known. */
export function isReady({ status }: Pod): boolean {
  return (
    status?.podIP !== undefined &&
    (status.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True")
  );
}

/**
 * Pods that are there to stay: one on its way out says nothing about the revision any more. By
 * name, so that of several that could be told of, it is always the same one: a cache lists first
 * what changed longest ago.
 */
export function livePods(pods: readonly Pod[]): readonly Pod[] {
  return pods
    .filter(
      (pod) =>
        pod.metadata.deletionTimestamp === undefined &&
        pod.status?.phase !== "Succeeded" &&
        pod.status?.phase !== "Failed",
    )
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}
