import type { ServicePlan } from "../plan.ts";

/** A plan of a small service, for tests that look at one part of it. */
export function planOf(
  changes: Partial<Omit<ServicePlan, "scale">> & { scale?: Partial<ServicePlan["scale"]> },
): ServicePlan {
  const { scale, ...rest } = changes;
  return {
    name: "iris",
    namespace: "default",
    modelName: "iris",
    storageUri: "file:///models/iris",
    env: {},
    args: [],
    containerConcurrency: 0,
    timeoutSeconds: 300,
    startupTimeoutMs: 600_000,
    graceMs: 5000,
    ...rest,
    scale: { metric: "concurrency", target: 70, minReplicas: 0, maxReplicas: 4, ...scale },
  };
}
