/** spec.predictor → what its Knative Service is to be made from. */
import type { InferenceService, ModelSpec, PredictorSpec } from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { ANNOTATION_STORAGE_SECRET } from "../api/names.ts";
import { accelerated, acceleratorStartupTimeout, withAcceleratorDefaults } from "./accelerator.ts";
import { checkComponent } from "./check.ts";
import { collocated } from "./collocated.ts";
import type { ComponentRequest } from "./component.ts";
import { modelContainer, type PredictorDefaults } from "./container.ts";
import { checkContainer } from "./containers.ts";
import { customContainers, customPod, onlyOurs } from "./custom.ts";
import { modelOf, type NamedModel } from "./framework.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import { selectRuntime } from "./runtime.ts";
import { withStartupTimeout } from "./startup.ts";
import { credentialsMount, mergeMounts, modelMount, type ModelMount } from "./storage.ts";
import { traffic } from "./traffic.ts";
import { unsupported } from "./unsupported.ts";

export function predictorRequest(
  isvc: InferenceService,
  defaults: PredictorDefaults,
): ComponentRequest | Refusal {
  const predictor = withAcceleratorDefaults(isvc.spec.predictor);
  const pod =
    checkComponent(predictor, "spec.predictor", ["predictor"]) ??
    podOf({ ...isvc, spec: { ...isvc.spec, predictor } }, defaults);
  if (isRefusal(pod)) {
    return pod;
  }
  const request = accelerated(
    { component: "predictor", extension: predictor, pod, traffic: traffic() },
    predictor.accelerator,
  );
  return isRefusal(request)
    ? request
    : withStartupTimeout(request, {
        stated: predictor.startupTimeout,
        annotated: { ...isvc.metadata.annotations, ...predictor.annotations },
        fallback: acceleratorStartupTimeout(predictor),
      });
}

function podOf(
  isvc: InferenceService,
  defaults: PredictorDefaults,
): KnativeServicePodSpec | Refusal {
  const named = modelOf(isvc.spec.predictor);
  return named === undefined
    ? ownServer(isvc, isvc.spec.predictor)
    : (checkModel(named) ?? modelServer(isvc, named, defaults));
}

function ownServer(
  isvc: InferenceService,
  predictor: PredictorSpec,
): KnativeServicePodSpec | Refusal {
  if (predictor.containers === undefined) {
    return {
      reason: "InvalidSpec",
      message: "exactly one of spec.predictor.model and spec.predictor.containers must be set",
    };
  }
  const refusal = onlyOurs(predictor, "spec.predictor");
  if (refusal !== undefined) {
    return refusal;
  }
  const containers = customContainers(isvc, predictor.containers, "spec.predictor");
  return isRefusal(containers) ? containers : customPod(predictor, containers);
}

/** Fields of a model that are not its container's. */
const MODEL_FIELDS = new Set([
  "modelFormat",
  "storageUri",
  "storage",
  "protocolVersion",
  "runtime",
  "runtimeVersion",
  "repository",
  "task",
]);

function containerOf(model: ModelSpec): Partial<ModelSpec> {
  return Object.fromEntries(Object.entries(model).filter(([field]) => !MODEL_FIELDS.has(field)));
}

function checkModel({ field, model }: NamedModel): Refusal | undefined {
  const path = `spec.predictor.${field}`;
  return (
    unsupported(model, path, ["model"]) ??
    unsupported(model.storage, `${path}.storage`, ["storage"]) ??
    checkContainer(containerOf(model), path, true) ??
    (model.storageUri !== undefined && model.storage !== undefined
      ? {
          reason: "InvalidSpec",
          message: `${path} must not have both storageUri and storage: the model lies in one place`,
        }
      : undefined)
  );
}

function modelServer(
  isvc: InferenceService,
  { model }: NamedModel,
  defaults: PredictorDefaults,
): KnativeServicePodSpec | Refusal {
  const { metadata, spec } = isvc;
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
  const containers = collocated(isvc, container);
  return isRefusal(containers) ? containers : modelPod(spec.predictor, containers, mount.volumes);
}

function modelPod(
  predictor: PredictorSpec,
  containers: readonly KnativeServiceContainer[],
  volumes: ModelMount["volumes"],
): KnativeServicePodSpec {
  const pod = customPod(predictor, containers);
  // A model never wants the token of its account.
  return {
    automountServiceAccountToken: false,
    ...pod,
    volumes: [...volumes, ...(pod.volumes ?? [])],
  };
}
