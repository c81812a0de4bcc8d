/**
 * Which of the user's labels and annotations reach Knative. A list of what is allowed, not of what
 * is not: everything on the revision template makes a new revision when it changes, so a team label
 * or Argo CD's tracking annotation must never get there (kserve/kserve#1885, #3710).
 */
import type { ObjectMeta } from "../cluster.ts";
import {
  ANNOTATION_ROLLOUT_DURATION,
  LABEL_KSERVE_VISIBILITY,
  LABEL_VISIBILITY,
} from "../api/names.ts";

const TEMPLATE_PREFIXES = [
  "autoscaling.knative.dev/",
  "queue.sidecar.serving.knative.dev/",
  "features.knative.dev/",
  "sidecar.istio.io/",
  "traffic.sidecar.istio.io/",
  "prometheus.io/",
];
const TEMPLATE_KEYS = new Set(["serving.knative.dev/progress-deadline"]);

type Strings = Readonly<Record<string, string>>;

/** Annotations of the InferenceService that are meant for its pods or their autoscaler. */
export function templateAnnotations(metadata: ObjectMeta): Strings {
  return pick(
    metadata.annotations,
    (key) => TEMPLATE_KEYS.has(key) || TEMPLATE_PREFIXES.some((prefix) => key.startsWith(prefix)),
  );
}

/** Annotations of the InferenceService that belong on the Knative Service itself. */
export function serviceAnnotations(metadata: ObjectMeta): Strings {
  return pick(metadata.annotations, (key) => key === ANNOTATION_ROLLOUT_DURATION);
}

/** Labels of the InferenceService that belong on the Knative Service itself. */
export function serviceLabels(metadata: ObjectMeta): Strings {
  const visibility =
    metadata.labels?.[LABEL_VISIBILITY] ?? metadata.labels?.[LABEL_KSERVE_VISIBILITY];
  return visibility === undefined ? {} : { [LABEL_VISIBILITY]: visibility };
}

function pick(strings: Strings | undefined, wanted: (key: string) => boolean): Strings {
  return Object.fromEntries(Object.entries(strings ?? {}).filter(([key]) => wanted(key)));
}
