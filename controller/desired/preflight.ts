/**
 * What the cluster would refuse or ignore, found before anything is applied, each with the command
 * that allows it. Knative's own answer to a forbidden field is `must not set the field(s):
 * spec.template.spec.nodeSelector`, to the controller alone.
 */
import type { KnativeService, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { featureAllowed, type ClusterFacts } from "./facts.ts";
import type { Refusal } from "./refusal.ts";

interface FeatureUse {
  readonly flag: string;
  readonly field: string;
  readonly used: (pod: KnativeServicePodSpec) => boolean;
}

/**
 * Fields that Knative takes only with a feature flag (docs: knative.dev, "feature and extension
 * flags").
 */
const FEATURES: readonly FeatureUse[] = [
  {
    flag: "kubernetes.podspec-nodeselector",
    field: "spec.predictor.nodeSelector",
    used: (pod) => pod.nodeSelector !== undefined,
  },
  {
    flag: "kubernetes.podspec-tolerations",
    field: "spec.predictor.tolerations",
    used: (pod) => pod.tolerations !== undefined,
  },
  {
    flag: "kubernetes.podspec-persistent-volume-claim",
    field: "spec.predictor.model.storageUri with pvc://",
    used: (pod) => pod.volumes?.some((volume) => volume.persistentVolumeClaim) ?? false,
  },
];

/** The first thing about `service` that this cluster does not allow, or undefined. */
export function preflight(service: KnativeService, facts: ClusterFacts): Refusal | undefined {
  const pod = service.spec?.template?.spec;
  return pod === undefined
    ? undefined
    : (featuresOff(pod, facts) ?? timeoutOver(pod, facts) ?? scaleOver(service, facts));
}

/**
 * All missing features in one sentence and one command, so that nobody has to come back for each.
 */
function featuresOff(pod: KnativeServicePodSpec, facts: ClusterFacts): Refusal | undefined {
  const { features } = facts;
  if (features === undefined) {
    return undefined;
  }
  const off = FEATURES.filter(({ used, flag }) => used(pod) && !featureAllowed(features, flag));
  if (off.length === 0) {
    return undefined;
  }
  const fields = off.map(({ field }) => field).join(" and ");
  const flags = off.map(({ flag }) => flag).join(" and ");
  const fix = Object.fromEntries(off.map(({ flag }) => [flag, "enabled"]));
  return {
    reason: "KnativeFeatureDisabled",
    message:
      `${fields} ${off.length === 1 ? "needs" : "need"} ${flags}, which this cluster's Knative has switched off; ` +
      `to allow: ${patch(facts, "config-features", fix)}`,
  };
}

function timeoutOver(pod: KnativeServicePodSpec, facts: ClusterFacts): Refusal | undefined {
  const { defaults } = facts;
  const timeout = pod.timeoutSeconds;
  if (defaults === undefined || timeout === undefined || timeout <= defaults.maxTimeoutSeconds) {
    return undefined;
  }
  const fix = { "max-revision-timeout-seconds": String(timeout) };
  return {
    reason: "TimeoutOverClusterMaximum",
    message:
      `spec.predictor.timeout is ${timeout} s, but this cluster's Knative allows ${defaults.maxTimeoutSeconds} s at most; ` +
      `lower it, or: ${patch(facts, "config-defaults", fix)}`,
  };
}

function scaleOver(service: KnativeService, facts: ClusterFacts): Refusal | undefined {
  const template = service.spec?.template;
  const limit = facts.autoscaler?.maxScaleLimit ?? 0;
  const maxScale = Number(
    template?.metadata?.annotations?.["autoscaling.knative.dev/max-scale"] ?? 0,
  );
  if (limit > 0 && (maxScale === 0 || maxScale > limit)) {
    return {
      reason: "ScaleOverClusterMaximum",
      message: `spec.predictor.maxReplicas must be between 1 and ${limit}: this cluster's Knative sets max-scale-limit`,
    };
  }
  const concurrency = template?.spec?.containerConcurrency;
  const { defaults } = facts;
  if (defaults === undefined || concurrency === undefined) {
    return undefined;
  }
  if (concurrency > defaults.containerConcurrencyMax) {
    return {
      reason: "ConcurrencyOverClusterMaximum",
      message: `spec.predictor.containerConcurrency is ${concurrency}, but this cluster's Knative allows ${defaults.containerConcurrencyMax} at most`,
    };
  }
  return concurrency === 0 && !defaults.allowContainerConcurrencyZero
    ? {
        reason: "ConcurrencyMustBeLimited",
        message: `spec.predictor.containerConcurrency must be 1 or more: this cluster's Knative allows no unlimited services`,
      }
    : undefined;
}

/** A command to paste: merges `data` into Knative's ConfigMap `name`. */
function patch(facts: ClusterFacts, name: string, data: Readonly<Record<string, string>>): string {
  const body = JSON.stringify({ data });
  return `kubectl patch configmap ${name} -n ${facts.knativeNamespace} --type merge -p '${body}'`;
}
