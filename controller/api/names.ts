/** Every name, label and annotation key that the controller writes or looks for. */

/**
 * The parts of an InferenceService, each a Knative Service of its own, in the order in which a
 * request passes the first two.
 */
export const COMPONENTS = ["transformer", "predictor", "explainer"] as const;

export type ComponentName = (typeof COMPONENTS)[number];

/** By component; what is absent is not there. */
export type PerComponent<T> = Readonly<Partial<Record<ComponentName, T>>>;

/** Name of the Knative Service that is `component` of InferenceService `name`. */
export function componentServiceName(name: string, component: ComponentName): string {
  return `${name}-${component}`;
}

/** Name of the Knative Service that is the predictor of InferenceService `name`. */
export function predictorServiceName(name: string): string {
  return componentServiceName(name, "predictor");
}

/** On the Knative Service, its revisions and its pods: the InferenceService they serve. */
export const LABEL_INFERENCE_SERVICE = "pilotlight.dev/inferenceservice";
/** On the same objects: which part of it. */
export const LABEL_COMPONENT = "pilotlight.dev/component";
/** Knative's: on revisions and pods, the revision. */
export const LABEL_REVISION = "serving.knative.dev/revision";
/** Knative's: on the same objects, the uid of the Knative Service that they were made of. */
export const LABEL_SERVICE_UID = "serving.knative.dev/serviceUID";
/** KServe's spelling of the next. */
export const LABEL_KSERVE_VISIBILITY = "networking.kserve.io/visibility";
/** Knative's: `cluster-local` on a service keeps it off the outer gateway. */
export const LABEL_VISIBILITY = "networking.knative.dev/visibility";

/**
 * On the Knative Service: digest of what we last applied. It is what tells that a field which we
 * wanted once is no longer wanted; it stands on the service's metadata, where a change makes no
 * revision.
 */
export const ANNOTATION_INTENT = "pilotlight.dev/intent";
/** On the Knative Service: the runtime that it is made from, whole (desired/runtime-pin.ts). */
export const ANNOTATION_RUNTIME = "pilotlight.dev/runtime";
/** On an InferenceService: a new value asks for the runtime as it is now. */
export const ANNOTATION_RUNTIME_REFRESH = "pilotlight.dev/runtime-refresh";
/**
 * On the Knative Service: digest of the template that we last applied. A change of it, and of
 * nothing else, makes a revision.
 */
export const ANNOTATION_TEMPLATE = "pilotlight.dev/template";
/** On the Knative Service: where its rollout is (rollout/state.ts), written with its traffic. */
export const ANNOTATION_ROLLOUT = "pilotlight.dev/rollout";
/**
 * On an InferenceService: the revision that a canary's rest goes to, instead of the last that had
 * everything; `pilotlight rollback --to` sets it. Without effect once that revision is gone.
 */
export const ANNOTATION_STABLE_REVISION = "pilotlight.dev/stable-revision";
/**
 * On an InferenceService: Secret whose keys become the predictor's environment (AWS_ACCESS_KEY_ID,
 * …).
 */
export const ANNOTATION_STORAGE_SECRET = "pilotlight.dev/storage-secret";
/** On an InferenceService: "true" takes its Knative Services away until it is taken away itself. */
export const ANNOTATION_STOP = "pilotlight.dev/stop";
/** Domain of KServe's annotations, and those of them that are honoured. */
export const KSERVE = "serving.kserve.io";
export const KSERVE_STOP = `${KSERVE}/stop`;
export const KSERVE_DEPLOYMENT_MODE = `${KSERVE}/deploymentMode`;
export const KSERVE_STORAGE_SECRET = `${KSERVE}/storageSecretName`;
/** "true" gives the newest revision the tag `latest`, and so a URL of its own. */
export const KSERVE_TAG_ROUTING = `${KSERVE}/enable-tag-routing`;
/**
 * Knative's: how long a rollout to the newest revision takes; belongs on the service's own
 * metadata.
 */
export const ANNOTATION_ROLLOUT_DURATION = "serving.knative.dev/rollout-duration";

/** Name of the container that serves a `model`. Custom containers keep their own. */
export const PREDICTOR_CONTAINER = "predictor";
/** Name of the init container that fetches the model for a server which is not our own. */
export const STORAGE_INITIALIZER = "storage-initializer";
/** Where a mounted or downloaded model lies in the container. */
export const MODEL_DIR = "/mnt/models";
/** HTTP port of the predictor in its pod. */
export const PREDICTOR_PORT = 8080;
