/**
 * What counts in the end of how a component scales and how long a request may take: the spec's own
 * values and the cluster's defaults in one place, for its status.
 */
import type { AutoscalingStatus } from "../api/inferenceservice.gen.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import { lookup } from "../lookup.ts";
import { autoscalingValues } from "./autoscaling-values.ts";
import type { ClusterFacts } from "./facts.ts";

export interface Effective {
  readonly autoscaling: AutoscalingStatus;
  /** Seconds; undefined while the cluster's default is not known. */
  readonly timeoutSeconds?: number;
}

/** Knative's own defaults: key in config-autoscaler, and value where that has none. */
const DEFAULTS: Readonly<Record<string, readonly [key: string, value: string]>> = {
  window: ["stable-window", "60s"],
  "target-burst-capacity": ["target-burst-capacity", "211"],
  "initial-scale": ["initial-scale", "1"],
  "scale-down-delay": ["scale-down-delay", "0s"],
  "scale-to-zero-pod-retention-period": ["scale-to-zero-pod-retention-period", "0s"],
  "max-scale": ["max-scale", "0"],
};

const TARGETS: Readonly<Record<string, readonly [key: string, value: string]>> = {
  concurrency: ["container-concurrency-target-default", "100"],
  rps: ["requests-per-second-target-default", "200"],
};

/** Share of the target, by metric; that of requests per second is no setting of Knative's. */
const UTILIZATIONS: Readonly<Record<string, readonly [key: string, value: string]>> = {
  concurrency: ["container-concurrency-target-percentage", "70"],
  rps: ["", "70"],
};

/** Of `service` as it is to be applied. A default is left out while the cluster's is not known. */
export function effective(service: KnativeService, facts: ClusterFacts): Effective {
  const template = service.spec?.template;
  const values = autoscalingValues(template?.metadata?.annotations ?? {});
  const metric = values["metric"] ?? "concurrency";
  const of = (name: string, fallback = DEFAULTS[name]): string | undefined =>
    values[name] ?? clusterValue(facts, fallback);
  const limit = template?.spec?.containerConcurrency ?? 0;
  const target = targetOf(values["target"], metric, limit) ?? of("target", lookup(TARGETS, metric));
  const utilization = percentOf(clusterValue(facts, lookup(UTILIZATIONS, metric)));
  const timeout = template?.spec?.timeoutSeconds ?? facts.defaults?.timeoutSeconds;
  return {
    autoscaling: {
      ...(values["class"] === undefined ? {} : { class: values["class"] }),
      metric,
      ...numeric("target", target),
      ...numeric(
        "targetUtilizationPercentage",
        values["target-utilization-percentage"] ?? utilization,
      ),
      ...numeric("targetBurstCapacity", of("target-burst-capacity")),
      ...numeric("minScale", values["min-scale"]),
      ...numeric("maxScale", of("max-scale")),
      ...numeric("initialScale", of("initial-scale")),
      ...numeric("activationScale", values["activation-scale"]),
      ...stated("window", of("window")),
      ...stated("scaleDownDelay", of("scale-down-delay")),
      ...stated("scaleToZeroPodRetentionPeriod", of("scale-to-zero-pod-retention-period")),
    },
    ...(timeout === undefined ? {} : { timeoutSeconds: timeout }),
  };
}

/**
 * The hard limit of a pod bounds what can be aimed at, and is what is aimed at when nothing is
 * stated (knative.dev/serving pkg/reconciler/autoscaling/resources/target.go).
 */
function targetOf(stated: string | undefined, metric: string, limit: number): string | undefined {
  return metric !== "concurrency" || limit === 0
    ? stated
    : String(Math.min(Number(stated ?? limit), limit));
}

/** The cluster may write it as a part of 1. */
function percentOf(value: string | undefined): string | undefined {
  return value !== undefined && Number(value) <= 1
    ? String(Math.round(Number(value) * 10_000) / 100)
    : value;
}

function clusterValue(
  { autoscaler }: ClusterFacts,
  fallback: readonly [key: string, value: string] | undefined,
): string | undefined {
  const data = autoscaler?.data;
  if (data === undefined || fallback === undefined) {
    return undefined;
  }
  const [key, value] = fallback;
  return data[key] === undefined || data[key] === "" ? value : data[key];
}

function numeric<K extends string>(name: K, value: string | undefined): Partial<Record<K, number>> {
  const number = Number(value);
  return value === undefined || !Number.isFinite(number)
    ? {}
    : ({ [name]: number } as Record<K, number>);
}

function stated<K extends string>(name: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, string>);
}
