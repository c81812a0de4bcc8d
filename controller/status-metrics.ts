/**
 * How the InferenceServices are, as metrics: told by the cache, so that every replica reports the
 * same.
 */
import type { InferenceService } from "./api/inferenceservice.gen.ts";
import type { Kind } from "./cluster.ts";
import type { CacheEvent, KubeCluster } from "./kube/cluster.ts";
import { condition } from "./observe/conditions.ts";
import type { Metrics } from "./ops/metrics.ts";

export type StatusMetrics = Pick<Metrics, "condition" | "becameReady" | "forget">;

/** The conditions that the chart's alerts ask for. */
const REPORTED = ["Ready", "LatestDeploymentReady"] as const;

/** Subscribes; before cluster.start(). */
export function reportStatus(
  cluster: Pick<KubeCluster, "onChange">,
  metrics: StatusMetrics,
  kinds: readonly Kind[],
): void {
  for (const kind of kinds) {
    cluster.onChange(kind, (event) => reportEvent(event, metrics));
  }
}

/** What one change of an InferenceService means for its series. */
export function reportEvent(event: CacheEvent, metrics: StatusMetrics): void {
  const isvc = event.object as InferenceService;
  const { namespace = "", name } = isvc.metadata;
  if (event.type === "deleted") {
    metrics.forget(namespace, name);
    return;
  }
  for (const type of REPORTED) {
    const status = condition(isvc.status?.conditions, type)?.status ?? "Unknown";
    metrics.condition({ namespace, name, condition: type }, status);
  }
  if (event.type === "updated") {
    const seconds = secondsToReady(event.before as InferenceService, isvc);
    if (seconds !== undefined) {
      metrics.becameReady(seconds);
    }
  }
}

/**
 * How long it was not ready, when it just became so: since it ceased to be, or since it was made.
 * The times are the API server's objects' own, in whole seconds.
 */
function secondsToReady(before: InferenceService, after: InferenceService): number | undefined {
  const was = condition(before.status?.conditions, "Ready");
  const is = condition(after.status?.conditions, "Ready");
  if (is?.status !== "True" || was?.status === "True") {
    return undefined;
  }
  const since = was?.status === "False" ? was.lastTransitionTime : after.metadata.creationTimestamp;
  const seconds = (Date.parse(is.lastTransitionTime ?? "") - Date.parse(since ?? "")) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
