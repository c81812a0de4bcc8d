/**
 * What the cluster would refuse or ignore, found before anything is applied, each with the command
 * that allows it. Knative's own answer to a forbidden field is `must not set the field(s):
 * spec.template.spec.nodeSelector`, to the controller alone.
 */
import type { KnativeService, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import type { ComponentName } from "../api/names.ts";
import { featureAllowed, type ClusterFacts } from "./facts.ts";
import type { Refusal } from "./refusal.ts";

interface FeatureUse {
  readonly flag: string;
  /** Below spec.<component>. */
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
    field: "nodeSelector",
    used: (pod) => pod.nodeSelector !== undefined,
  },
  {
    flag: "kubernetes.podspec-tolerations",
    field: "tolerations",
    used: (pod) => pod.tolerations !== undefined,
  },
  {
    flag: "kubernetes.podspec-persistent-volume-claim",
    field: "model.storageUri with pvc://",
    used: (pod) => pod.volumes?.some((volume) => volume.persistentVolumeClaim) ?? false,
  },
];

/**
 * The first thing about `service`, which is `component`, that this cluster does not allow, or
 * undefined.
 */
export function preflight(
  component: ComponentName,
  service: KnativeService,
  facts: ClusterFacts,
): Refusal | undefined {
  const pod = service.spec?.template?.spec;
  const at = `spec.${component}`;
  return pod === undefined
    ? undefined
    : (featuresOff(at, pod, facts) ?? timeoutOver(at, pod, facts) ?? scaleOver(at, service, facts));
}

/**
 * All missing features in one sentence and one command, so that nobody has to come back for each.
 */
function featuresOff(
  at: string,
  pod: KnativeServicePodSpec,
  facts: ClusterFacts,
): Refusal | undefined {
  const { features } = facts;
  if (features === undefined) {
    return undefined;
  }
  const off = FEATURES.filter(({ used, flag }) => used(pod) && !featureAllowed(features, flag));
  if (off.length === 0) {
    return undefined;
  }
  const fields = off.map(({ field }) => `${at}.${field}`).join(" and ");
  const flags = off.map(({ flag }) => flag).join(" and ");
  const fix = Object.fromEntries(off.map(({ flag }) => [flag, "enabled"]));
  return {
    reason: "KnativeFeatureDisabled",
    message:
      `${fields} ${off.length === 1 ? "needs" : "need"} ${flags}, which this cluster's Knative has switched off; ` +
      `to allow: ${patch(facts, "config-features", fix)}`,
  };
}

function timeoutOver(
  at: string,
  pod: KnativeServicePodSpec,
  facts: ClusterFacts,
): Refusal | undefined {
  const { defaults } = facts;
  const timeout = pod.timeoutSeconds;
  if (defaults === undefined || timeout === undefined || timeout <= defaults.maxTimeoutSeconds) {
    return undefined;
  }
  const fix = { "max-revision-timeout-seconds": String(timeout) };
  return {
    reason: "TimeoutOverClusterMaximum",
    message:
      `${at}.timeout is ${timeout} s, but this cluster's Knative allows ${defaults.maxTimeoutSeconds} s at most; ` +
      `lower it, or: ${patch(facts, "config-defaults", fix)}`,
  };
}

function scaleOver(at: string, service: KnativeService, facts: ClusterFacts): Refusal | undefined {
  const template = service.spec?.template;
  const limit = facts.autoscaler?.maxScaleLimit ?? 0;
  const maxScale = Number(
    template?.metadata?.annotations?.["autoscaling.knative.dev/max-scale"] ?? 0,
  );
  if (limit > 0 && (maxScale === 0 || maxScale > limit)) {
    return {
      reason: "ScaleOverClusterMaximum",
      message: `${at}.maxReplicas must be between 1 and ${limit}: this cluster's Knative sets max-scale-limit`,
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
      message: `${at}.containerConcurrency is ${concurrency}, but this cluster's Knative allows ${defaults.containerConcurrencyMax} at most`,
    };
  }
  return concurrency === 0 && !defaults.allowContainerConcurrencyZero
    ? {
        reason: "ConcurrencyMustBeLimited",
        message: `${at}.containerConcurrency must be 1 or more: this cluster's Knative allows no unlimited services`,
      }
    : undefined;
}

/** A command to paste: merges `data` into Knative's ConfigMap `name`. */
function patch(facts: ClusterFacts, name: string, data: Readonly<Record<string, string>>): string {
  const body = JSON.stringify({ data });
  return `kubectl patch configmap ${name} -n ${facts.knativeNamespace} --type merge -p '${body}'`;
}
