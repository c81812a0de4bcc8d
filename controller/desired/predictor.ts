/** spec.predictor → what its Knative Service is to be made from. */
import type { InferenceService, ModelSpec, PredictorSpec } from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { ANNOTATION_STORAGE_SECRET } from "../api/names.ts";
import { accelerated, acceleratorStartupTimeout, withAcceleratorDefaults } from "./accelerator.ts";
import type { ComponentRequest } from "./component.ts";
import { customContainer, modelContainer, type PredictorDefaults } from "./container.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import { selectRuntime } from "./runtime.ts";
import { withStartupTimeout } from "./startup.ts";
import { credentialsMount, mergeMounts, modelMount, type ModelMount } from "./storage.ts";
import { traffic } from "./traffic.ts";

export function predictorRequest(
  isvc: InferenceService,
  defaults: PredictorDefaults,
): ComponentRequest | Refusal {
  const predictor = withAcceleratorDefaults(isvc.spec.predictor);
  const part = server({ ...isvc, spec: { ...isvc.spec, predictor } }, defaults);
  if (isRefusal(part)) {
    return part;
  }
  const request = accelerated(
    { component: "predictor", extension: predictor, pod: pod(predictor, part), traffic: traffic() },
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

interface Server {
  readonly containers: readonly KnativeServiceContainer[];
  readonly volumes: ModelMount["volumes"];
}

function server(isvc: InferenceService, defaults: PredictorDefaults): Server | Refusal {
  const { model, containers } = isvc.spec.predictor;
  if (containers !== undefined) {
    return { containers: containers.map(customContainer), volumes: [] };
  }
  return model === undefined
    ? {
        reason: "InvalidSpec",
        message: "exactly one of spec.predictor.model and spec.predictor.containers must be set",
      }
    : modelServer(isvc, model, defaults);
}

function modelServer(
  { metadata, spec }: InferenceService,
  model: ModelSpec,
  defaults: PredictorDefaults,
): Server | Refusal {
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
  return { containers: [container], volumes: mount.volumes };
}

function pod(predictor: PredictorSpec, { containers, volumes }: Server): KnativeServicePodSpec {
  const { serviceAccountName, nodeSelector, tolerations } = predictor;
  // Knative takes no other value; a custom server with an account of its own may want the token, a
  // model never does.
  const token = predictor.containers !== undefined && serviceAccountName !== undefined;
  return {
    ...(token ? {} : { automountServiceAccountToken: false }),
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    ...(tolerations === undefined
      ? {}
      : { tolerations: tolerations.map((toleration) => ({ ...toleration })) }),
    containers,
    volumes,
  };
}
