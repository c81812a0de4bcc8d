/**
 * KServe's annotations and labels on an InferenceService (its pkg/constants): each is honoured,
 * refused because the manifest means another product mode, or named as one that does nothing here.
 */
import {
  ANNOTATION_STOP,
  ANNOTATION_STORAGE_SECRET,
  KSERVE,
  KSERVE_DEPLOYMENT_MODE,
  KSERVE_STOP,
  KSERVE_STORAGE_SECRET,
  KSERVE_TAG_ROUTING,
} from "../api/names.ts";
import type { ObjectMeta } from "../cluster.ts";
import type { Refusal } from "./refusal.ts";
import type { Warning } from "./warning.ts";

const GROUPS = [`${KSERVE}/`, "prometheus.kserve.io/", "storage.kserve.io/"];

/** Modes by KServe's names, new and old, that are served here. */
const MODES = new Set(["Knative", "Serverless"]);

const HONOURED = new Set([
  KSERVE_DEPLOYMENT_MODE,
  KSERVE_STOP,
  KSERVE_STORAGE_SECRET,
  KSERVE_TAG_ROUTING,
]);

/** Annotations that do nothing here: why, and what does. */
const IDLE: Readonly<Record<string, string>> = {
  [`${KSERVE}/metrics`]: "it belongs to the HPA; use scaleMetric",
  [`${KSERVE}/targetUtilizationPercentage`]: "it belongs to the HPA; use scaleTarget",
  [`${KSERVE}/disable-auto-update`]:
    "a changed runtime never restarts a service here; the condition RuntimeOutdated tells of it",
  [`${KSERVE}/storage-initializer-uid`]:
    "it is for the init container of KServe; set securityContext.runAsUser",
  [`${KSERVE}/gke-accelerator`]: "use predictor.accelerator with product, or nodeSelector",
  [`${KSERVE}/gpu-resource-types`]: "use predictor.accelerator with resourceName",
  [`${KSERVE}/enable-metric-aggregation`]:
    "Knative's metrics come from queue-proxy, the model's from the predictor's /metrics",
  [`${KSERVE}/enable-prometheus-scraping`]:
    "set prometheus.io/scrape, prometheus.io/port and prometheus.io/path",
  [`${KSERVE}/disable-localmodel`]: "there is no cache of models on nodes to leave out",
  [`${KSERVE}/nodegroup`]: "there is no cache of models on nodes; use nodeSelector",
  "storage.kserve.io/readonly":
    "a mounted model is read-only; mount the claim with volumes and volumeMounts to write to it",
};

/** What `metadata` asks for that cannot be, or undefined. */
export function checkMetadata({ annotations = {} }: ObjectMeta): Refusal | undefined {
  const mode = annotations[KSERVE_DEPLOYMENT_MODE];
  if (mode !== undefined && !MODES.has(mode)) {
    return {
      reason: "DeploymentModeNotSupported",
      message:
        `the annotation ${KSERVE_DEPLOYMENT_MODE} is "${mode}", but every InferenceService is served by Knative here; ` +
        `remove the annotation, or leave this manifest to KServe`,
    };
  }
  const scaler = annotations[`${KSERVE}/autoscalerClass`];
  return scaler === undefined || scaler === "kpa"
    ? undefined
    : {
        reason: "FieldNotSupported",
        message:
          `the annotation ${KSERVE}/autoscalerClass is "${scaler}", but Knative's own autoscaler scales here, which wakes a service from zero; ` +
          `remove the annotation and use minReplicas, maxReplicas, scaleMetric and scaleTarget`,
      };
}

/** Annotations of KServe's that have no effect here. */
export function idleAnnotations({ annotations = {} }: ObjectMeta): readonly Warning[] {
  return Object.keys(annotations)
    .filter((key) => GROUPS.some((group) => key.startsWith(group)))
    .filter((key) => !HONOURED.has(key) && key !== `${KSERVE}/autoscalerClass`)
    .map((key) => ({
      reason: "AnnotationIgnored",
      message: `the annotation ${key} has no effect here: ${IDLE[key] ?? "it is KServe's own; remove it"}`,
    }));
}

/** Whether the user has it stopped. */
export function isStopped({ annotations = {} }: ObjectMeta): boolean {
  return annotations[ANNOTATION_STOP] === "true" || annotations[KSERVE_STOP] === "true";
}

/** Whether the newest revision is to have a URL of its own. */
export function hasTagRouting({ annotations = {} }: ObjectMeta): boolean {
  return annotations[KSERVE_TAG_ROUTING] === "true";
}

/** Secret with the credentials of the model store, by either name of the annotation. */
export function storageSecret({ annotations = {} }: ObjectMeta): string | undefined {
  return annotations[ANNOTATION_STORAGE_SECRET] ?? annotations[KSERVE_STORAGE_SECRET];
}
