/** The kinds the controller reads and writes. */
import type { Kind } from "../cluster.ts";

export const INFERENCE_SERVICE: Kind = {
  apiVersion: "pilotlight.dev/v1beta1",
  kind: "InferenceService",
  plural: "inferenceservices",
  namespaced: true,
};

export const KNATIVE_SERVICE: Kind = {
  apiVersion: "serving.knative.dev/v1",
  kind: "Service",
  plural: "services",
  namespaced: true,
};

export const KNATIVE_REVISION: Kind = {
  apiVersion: "serving.knative.dev/v1",
  kind: "Revision",
  plural: "revisions",
  namespaced: true,
};

export const POD: Kind = { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true };

export const NODE: Kind = { apiVersion: "v1", kind: "Node", plural: "nodes", namespaced: false };

export const CONFIG_MAP: Kind = {
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};

export const SERVICE_ACCOUNT: Kind = {
  apiVersion: "v1",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  namespaced: true,
};

export const SECRET: Kind = {
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
};

export const SERVING_RUNTIME: Kind = {
  apiVersion: "pilotlight.dev/v1alpha1",
  kind: "ServingRuntime",
  plural: "servingruntimes",
  namespaced: true,
};

export const CLUSTER_SERVING_RUNTIME: Kind = {
  apiVersion: "pilotlight.dev/v1alpha1",
  kind: "ClusterServingRuntime",
  plural: "clusterservingruntimes",
  namespaced: false,
};
