/**
 * Fields that a KServe manifest may have and that cannot be carried: each with why, and with the
 * way out. They are in the schema so that this is what the user reads, and not "unknown field".
 */
import { lookup } from "../lookup.ts";
import type { Refusal } from "./refusal.ts";

/** field → why not, and what to do instead. */
type Reasons = Readonly<Record<string, string>>;

const KNATIVE = "Knative has no such field";

const POD: Reasons = {
  serviceAccount: "it is deprecated and Knative does not take it; use serviceAccountName",
  nodeName: `${KNATIVE}: its pods come and go with the load; use nodeSelector or affinity`,
  terminationGracePeriodSeconds: `${KNATIVE}: it gives a pod the time of a request to end; set timeout`,
  activeDeadlineSeconds: `${KNATIVE}; leave it out: pods end when the load does`,
  priority: "the API server sets it from priorityClassName; use that",
  preemptionPolicy: "the PriorityClass says it; use priorityClassName",
  hostname: `${KNATIVE}: there are several pods of one description; leave it out`,
  subdomain: `${KNATIVE}; requests go through the Knative Service; leave it out`,
  setHostnameAsFQDN: `${KNATIVE}; leave it out`,
  hostnameOverride: `${KNATIVE}; leave it out`,
  restartPolicy: `${KNATIVE}: a server is always restarted; leave it out`,
  readinessGates: `${KNATIVE}; use the container's readinessProbe`,
  ephemeralContainers: "they are for kubectl debug, on a pod that runs; leave it out",
  overhead: "the RuntimeClass says it; use runtimeClassName",
  os: `${KNATIVE}; use nodeSelector with kubernetes.io/os`,
  hostUsers: `${KNATIVE}; leave it out`,
  schedulingGates: `${KNATIVE}: it would count a gated pod as one that does not start; leave it out`,
  schedulingGroup: `${KNATIVE}; leave it out`,
  resourceClaims: `${KNATIVE}: dynamic resource allocation does not pass through it; ask for the device's resource in resources.limits`,
  resources: `${KNATIVE} for the whole pod; set resources of the container`,
};

const SCALING: Reasons = {
  scaleMetricType:
    "it belongs to the HPA, which cannot wake a service from zero; scaleTarget is an average per pod for both concurrency and rps",
  autoScaling:
    "it describes an HPA or KEDA scaler, which cannot wake a service from zero; use scaleMetric and scaleTarget, or annotations of autoscaling.knative.dev/",
  deploymentStrategy:
    "it belongs to a Deployment, and here Knative makes a new revision beside the old one; use canaryTrafficPercent or predictor.rollout",
};

const PREDICTOR: Reasons = {
  name: "it names one of several predictors of KServe's Standard mode; leave it out: the Knative Service is named <name>-predictor",
  workerSpec:
    "a model over several nodes needs KServe's Standard mode; use a larger accelerator on one node (predictor.accelerator)",
  storageContainerName:
    "no container is made for the download: the predictor, or an init container of its image, does it; leave it out",
};

const MODEL: Reasons = {
  confidential:
    "encrypted models are not supported; restrict who may read the store, or bring a server of your own in containers",
};

/** Of a format's own field, which is short for `model` and says less. */
const FRAMEWORK: Reasons = {
  modelFormat: "the field's own name is the format; for a version of it use model",
  task: "use model, with modelFormat",
  repository: "use model, with modelFormat",
};

/** Of a model, or beside it, when the server is not the standard predictor. */
const OTHERS: Reasons = {
  task: "the standard predictor does it, and this model has another runtime; leave it out, or name onnxruntime in model.runtime",
  repository:
    "the standard predictor does it, and this model has another runtime; make an InferenceService of each model",
  storageUris:
    "the standard predictor reads them, and this is a server of your own; set STORAGE_URI in its container's env, or mount claims with volumes",
};

const STORAGE: Reasons = {
  schemaPath: "no server here reads a schema file beside the model; leave it out",
};

const EXPLAINER: Reasons = {
  art: "no image of an ART explainer is shipped; run it as your own server: spec.explainer.containers with the image that KServe uses for it",
  alibi:
    "KServe has dropped it as well; run it as your own server: spec.explainer.containers with its image",
  aix: "KServe has dropped it as well; run it as your own server: spec.explainer.containers with its image",
};

const CONTAINER: Reasons = {
  lifecycle: `${KNATIVE}: it drains a pod before it ends it; do in the server, on SIGTERM, what preStop would do`,
  stdin: `${KNATIVE}: a server has no terminal; leave it out`,
  stdinOnce: `${KNATIVE}: a server has no terminal; leave it out`,
  tty: `${KNATIVE}: a server has no terminal; leave it out`,
  volumeDevices: `${KNATIVE}; use a volume with a file system and volumeMounts`,
  restartPolicy: `${KNATIVE}, so there are no native sidecars; put it among containers`,
  restartPolicyRules: `${KNATIVE}; leave it out`,
  resizePolicy: `${KNATIVE}: another size is another revision; leave it out`,
};

const LOGGER: Reasons = {
  storage: "the log goes to a URL as CloudEvents; let the sink store them",
  marshallerUrl: "the log goes out as CloudEvents; let the sink change their form",
  batchSize: "each request and response is an event of its own; let the sink batch them",
  batchInterval: "each request and response is an event of its own; let the sink batch them",
};

const TABLES = {
  pod: POD,
  scaling: SCALING,
  predictor: PREDICTOR,
  model: MODEL,
  framework: FRAMEWORK,
  others: OTHERS,
  storage: STORAGE,
  transformer: {
    storageUris:
      "a transformer of your own gets no model; mount what it needs with volumes, or let it download",
  },
  explainer: EXPLAINER,
  container: CONTAINER,
  logger: LOGGER,
} as const satisfies Readonly<Record<string, Reasons>>;

/** The first field of `object`, which stands at `path`, that the tables have a reason against. */
export function unsupported(
  object: object | undefined,
  path: string,
  tables: readonly (keyof typeof TABLES)[],
): Refusal | undefined {
  for (const table of tables) {
    const reasons: Reasons = TABLES[table];
    for (const [field, value] of Object.entries(object ?? {})) {
      const reason = lookup(reasons, field);
      if (reason !== undefined && value !== undefined && value !== null) {
        return {
          reason: "FieldNotSupported",
          message: `${path}.${field} is not supported: ${reason}`,
        };
      }
    }
  }
  return undefined;
}
