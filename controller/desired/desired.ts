/**
 * PURE: an InferenceService and what is known of the cluster → the Knative Service to have, or why
 * there can be none. The same input gives the same output, to the byte; nothing here reads a clock,
 * the environment or the cluster.
 */
import type { InferenceService, PredictorSpec } from "../api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE, KNATIVE_SERVICE } from "../api/kinds.ts";
import type {
  KnativeService,
  KnativeServiceContainer,
  KnativeServicePodSpec,
} from "../api/knative-service.gen.ts";
import {
  ANNOTATION_STORAGE_SECRET,
  LABEL_COMPONENT,
  LABEL_INFERENCE_SERVICE,
  predictorServiceName,
} from "../api/names.ts";
import type { ObjectMeta } from "../cluster.ts";
import { autoscalingAnnotations } from "./autoscaling.ts";
import { customContainer, modelContainer, type PredictorDefaults } from "./container.ts";
import type { ClusterFacts } from "./facts.ts";
import { preflight } from "./preflight.ts";
import { serviceAnnotations, serviceLabels, templateAnnotations } from "./propagation.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import { selectRuntime } from "./runtime.ts";
import { credentialsMount, mergeMounts, modelMount, type ModelMount } from "./storage.ts";

export interface Desired {
  readonly predictor: KnativeService;
}

/**
 * @throws never for an object that the CRD's schema admits; anything else is a bug and fails this
 * key alone.
 */
export function desired(
  isvc: InferenceService,
  facts: ClusterFacts,
  defaults: PredictorDefaults,
): Desired | Refusal {
  const part = predictorContainer(isvc, defaults);
  if (isRefusal(part)) {
    return part;
  }
  const predictor = knativeService(isvc, part);
  return preflight(predictor, facts) ?? { predictor };
}

interface PredictorPart {
  readonly container: KnativeServiceContainer;
  readonly volumes: ModelMount["volumes"];
}

function predictorContainer(
  isvc: InferenceService,
  defaults: PredictorDefaults,
): PredictorPart | Refusal {
  const { metadata, spec } = isvc;
  const { model, containers } = spec.predictor;
  const custom = containers?.[0];
  if (custom !== undefined) {
    return { container: customContainer(custom), volumes: [] };
  }
  if (model === undefined) {
    return {
      reason: "InvalidSpec",
      message: "exactly one of spec.predictor.model and spec.predictor.containers must be set",
    };
  }
  const runtime = selectRuntime(model);
  if (isRefusal(runtime)) {
    return runtime;
  }
  const mount = mergeMounts(
    modelMount(model.storageUri),
    credentialsMount(metadata.annotations?.[ANNOTATION_STORAGE_SECRET]),
  );
  const container = modelContainer({
    modelName: metadata.name,
    model,
    predictor: spec.predictor,
    mount,
    defaults,
  });
  return { container, volumes: mount.volumes };
}

function knativeService(isvc: InferenceService, part: PredictorPart): KnativeService {
  const { metadata, spec } = isvc;
  const labels = {
    [LABEL_INFERENCE_SERVICE]: metadata.name,
    [LABEL_COMPONENT]: "predictor",
  };
  return {
    apiVersion: KNATIVE_SERVICE.apiVersion,
    kind: KNATIVE_SERVICE.kind,
    metadata: {
      ...childMetadata(metadata),
      labels: { ...serviceLabels(metadata), ...labels },
      annotations: serviceAnnotations(metadata),
    },
    spec: {
      template: {
        metadata: {
          labels: { ...spec.predictor.labels, ...labels },
          annotations: {
            ...templateAnnotations(metadata),
            ...spec.predictor.annotations,
            ...autoscalingAnnotations(spec.predictor),
          },
        },
        spec: podSpec(spec.predictor, part),
      },
      traffic: [{ latestRevision: true, percent: 100 }],
    },
  };
}

function childMetadata(owner: ObjectMeta): ObjectMeta {
  return {
    name: predictorServiceName(owner.name),
    ...(owner.namespace === undefined ? {} : { namespace: owner.namespace }),
    ownerReferences: [
      {
        apiVersion: INFERENCE_SERVICE.apiVersion,
        kind: INFERENCE_SERVICE.kind,
        name: owner.name,
        uid: owner.uid ?? "",
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
}

function podSpec(predictor: PredictorSpec, part: PredictorPart): KnativeServicePodSpec {
  const { containerConcurrency, timeout, nodeSelector, tolerations } = predictor;
  return {
    ...(containerConcurrency === undefined ? {} : { containerConcurrency }),
    // Both: a request that waits for a cold start has sent no byte, and the first-byte limit would
    // end it before its time.
    ...(timeout === undefined
      ? {}
      : { timeoutSeconds: timeout, responseStartTimeoutSeconds: timeout }),
    enableServiceLinks: false,
    // Knative takes no other value; a custom server with an account of its own may want the token,
    // a model never does.
    ...(predictor.containers !== undefined && predictor.serviceAccountName !== undefined
      ? {}
      : { automountServiceAccountToken: false }),
    ...(predictor.serviceAccountName === undefined
      ? {}
      : { serviceAccountName: predictor.serviceAccountName }),
    ...(nodeSelector === undefined || Object.keys(nodeSelector).length === 0
      ? {}
      : { nodeSelector }),
    ...(tolerations === undefined || tolerations.length === 0
      ? {}
      : { tolerations: tolerations.map((toleration) => ({ ...toleration })) }),
    containers: [part.container],
    ...(part.volumes.length === 0 ? {} : { volumes: part.volumes }),
  };
}
