/**
 * PURE: a manifest of KServe's → the same for Pilotlight, with every change told. The document is
 * changed where it stands, so that comments and order stay.
 */
import { isMap, type Document } from "yaml";
import { isDownloaded } from "../../desired/storage.ts";

const KSERVE = "serving.kserve.io";
/** KServe's group while it was a part of Kubeflow: there v1alpha2 was, and the first v1beta1. */
const KUBEFLOW = "serving.kubeflow.org";
const OURS = "pilotlight.dev";
const RUNTIMES: readonly string[] = ["ServingRuntime", "ClusterServingRuntime"];
/** KServe's names of the mode that Pilotlight is; both are said by leaving the annotation out. */
const KNATIVE_MODES: readonly string[] = ["Serverless", "Knative"];
/** What a live object carries and a manifest does not. */
const LIVE = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"];
const FINALIZER = "inferenceservice.finalizers";

export interface Converted {
  /** What was changed, a sentence each; none for what is no affair of KServe's. */
  readonly changes: readonly string[];
  /** Why it cannot be converted. The document is then half changed, and of no use. */
  readonly refusal?: string;
}

type Path = readonly string[];

/** A text of the document; empty for what is none. */
export function word(document: Document.Parsed, path: Path): string {
  const value = document.getIn(path);
  return typeof value === "string" ? value : "";
}

/** Converts one document in place. */
export function convertDocument(document: Document.Parsed): Converted {
  const [group = "", version = ""] = word(document, ["apiVersion"]).split("/");
  const kind = word(document, ["kind"]);
  if (group !== KSERVE && group !== KUBEFLOW) {
    return { changes: [] };
  }
  if (kind === "InferenceService") {
    return version === "v1beta1"
      ? convertService(document)
      : {
          changes: [],
          refusal:
            `${group}/${version} is KServe's API of before v1beta1: move spec.default.predictor to spec.predictor ` +
            "(spec.canary becomes spec.predictor.canaryTrafficPercent), set apiVersion to serving.kserve.io/v1beta1, and convert again",
        };
  }
  return RUNTIMES.includes(kind)
    ? convertRuntime(document)
    : {
        changes: [],
        refusal:
          kind === "TrainedModel"
            ? "TrainedModel belongs to ModelMesh and multi-model servers, which Pilotlight does not run: make an InferenceService of each model, or one with model.repository"
            : `${kind} has no counterpart in Pilotlight: leave it out`,
      };
}

function convertService(document: Document.Parsed): Converted {
  const changes: string[] = [];
  const refusal = convertMode(document, changes);
  if (refusal !== undefined) {
    return { changes: [], refusal };
  }
  rename(document, "v1beta1", changes);
  removeLive(document, changes);
  const secret = ["metadata", "annotations", `${KSERVE}/storageSecretName`];
  const name = document.getIn(secret);
  if (name !== undefined) {
    document.deleteIn(secret);
    document.setIn(["metadata", "annotations", `${OURS}/storage-secret`], name);
    changes.push(
      `annotation ${KSERVE}/storageSecretName is ${OURS}/storage-secret; its keys become files for the model's server`,
    );
  } else {
    noteAccount(document, changes);
  }
  for (const component of ["predictor", "transformer", "explainer"]) {
    if (
      isMap(document.getIn(["spec", component], true)) &&
      document.getIn(["spec", component, "minReplicas"]) === undefined
    ) {
      document.setIn(["spec", component, "minReplicas"], 1);
      changes.push(
        `spec.${component}.minReplicas is 1, as KServe has it by default; remove it, and the ${component} goes to zero without requests`,
      );
    }
  }
  return { changes };
}

/** Keys that only KServe's group finds by the account. */
function noteAccount(document: Document.Parsed, changes: string[]): void {
  const predictor = document.getIn(["spec", "predictor"], true);
  const account = document.getIn(["spec", "predictor", "serviceAccountName"]);
  const downloads =
    isMap(predictor) &&
    predictor.items.some(({ value }) => {
      const place = isMap(value) ? value.get("storageUri") : undefined;
      return typeof place === "string" && isDownloaded(place);
    });
  if (downloads && typeof account === "string") {
    changes.push(
      `the Secrets that the service account ${account} lists are not looked for: name the one with the store's keys in the annotation ${OURS}/storage-secret, and what its annotations say of an endpoint in model.env (AWS_ENDPOINT_URL_S3, AWS_REGION)`,
    );
  }
}

/** Serverless is what Pilotlight does; another mode is another thing. */
function convertMode(document: Document.Parsed, changes: string[]): string | undefined {
  const path = ["metadata", "annotations", `${KSERVE}/deploymentMode`];
  const mode = word(document, path);
  if (mode === "") {
    return undefined;
  }
  if (mode === "ModelMesh") {
    return "deploymentMode ModelMesh shares servers among models, which Pilotlight does not: remove the annotation, and the model gets pods of its own, or use one InferenceService with model.repository";
  }
  if (!KNATIVE_MODES.includes(mode)) {
    return `deploymentMode ${mode} makes a plain Deployment; Pilotlight makes Knative Services alone: remove the annotation if that is what you want, else leave this one with KServe`;
  }
  document.deleteIn(path);
  changes.push(`annotation ${KSERVE}/deploymentMode is gone: ${mode} is the only mode`);
  return undefined;
}

function convertRuntime(document: Document.Parsed): Converted {
  if (document.getIn(["spec", "multiModel"]) === true) {
    return {
      changes: [],
      refusal:
        "spec.multiModel: true is a runtime of ModelMesh, which Pilotlight does not run: describe the server for one model",
    };
  }
  for (const field of ["builtInAdapter", "workerSpec"]) {
    if (document.getIn(["spec", field]) !== undefined) {
      return {
        changes: [],
        refusal: `spec.${field} has no counterpart in Pilotlight: ${field === "workerSpec" ? "a model is served by pods of one node" : "it belongs to ModelMesh"}`,
      };
    }
  }
  const changes: string[] = [];
  rename(document, "v1alpha1", changes);
  removeLive(document, changes);
  return { changes };
}

function rename(document: Document.Parsed, version: string, changes: string[]): void {
  const before = word(document, ["apiVersion"]);
  document.setIn(["apiVersion"], `${OURS}/${version}`);
  changes.push(`apiVersion: ${before} → ${OURS}/${version}`);
}

function removeLive(document: Document.Parsed, changes: string[]): void {
  const paths = [
    ...LIVE.map((field) => ["metadata", field]),
    ["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
    ["status"],
  ];
  const gone = paths.filter((path) => document.hasIn(path) && document.deleteIn(path));
  const finalizers = ["metadata", "finalizers"];
  if (document.getIn([...finalizers, 0]) === FINALIZER) {
    document.deleteIn(finalizers);
    gone.push(finalizers);
  }
  if (gone.length > 0) {
    const shown = gone.map((path) => path.join("."));
    changes.push(`${shown.join(", ")}: gone, for they belong to the live object`);
  }
}
