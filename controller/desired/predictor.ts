/** spec.predictor → what its Knative Service is to be made from. */
import type { ModelSpec, PredictorSpec } from "../api/inferenceservice.gen.ts";
import { ANNOTATION_RUNTIME, ANNOTATION_RUNTIME_REFRESH } from "../api/names.ts";
import { accelerated, acceleratorStartupTimeout, withAcceleratorDefaults } from "./accelerator.ts";
import { checkComponent } from "./check.ts";
import type { ComponentRequest } from "./component.ts";
import { checkContainer } from "./containers.ts";
import { customContainers, customPod, onlyOurs } from "./custom.ts";
import type { DesiredInput } from "./desired.ts";
import { modelOf, type NamedModel } from "./framework.ts";
import { recreated } from "./recreate.ts";
import { idleLogger } from "./predictor-env.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import { pinRuntime, pinText } from "./runtime-pin.ts";
import { withStorageUri, runtimeServer } from "./runtime-server.ts";
import type { ModelNeeds } from "./runtimes.ts";
import { withStartupTimeout } from "./startup.ts";
import { traffic } from "./traffic.ts";
import { unsupported } from "./unsupported.ts";

/** What of a request depends on who serves. */
type Server = Pick<
  ComponentRequest,
  "pod" | "labels" | "annotations" | "serviceAnnotations" | "warnings"
>;

export function predictorRequest(input: DesiredInput): ComponentRequest | Refusal {
  const { isvc } = input;
  const predictor = withAcceleratorDefaults(isvc.spec.predictor);
  const server =
    checkComponent(predictor, "spec.predictor", ["predictor"]) ??
    serverOf({ ...input, isvc: { ...isvc, spec: { ...isvc.spec, predictor } } });
  if (isRefusal(server)) {
    return server;
  }
  const request = accelerated(
    recreated(
      { component: "predictor", extension: predictor, ...server, traffic: traffic() },
      predictor.rollout,
    ),
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

function serverOf(input: DesiredInput): Server | Refusal {
  const { isvc } = input;
  const named = modelOf(isvc.spec.predictor);
  return named === undefined
    ? ownServer(input)
    : (checkModel(named, input.isvc.spec.predictor) ?? modelServer(input, named.model));
}

function ownServer({ isvc, defaults, accountSecrets = [] }: DesiredInput): Server | Refusal {
  const { predictor } = isvc.spec;
  if (predictor.containers === undefined) {
    return {
      reason: "InvalidSpec",
      message: "exactly one of spec.predictor.model and spec.predictor.containers must be set",
    };
  }
  const refusal =
    onlyOurs(predictor, "spec.predictor") ?? unsupported(predictor, "spec.predictor", ["others"]);
  if (refusal !== undefined) {
    return refusal;
  }
  const containers = customContainers(isvc, predictor.containers, "spec.predictor");
  return isRefusal(containers)
    ? containers
    : { pod: withStorageUri({ isvc, accountSecrets, defaults }, customPod(predictor, containers)) };
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

function checkModel({ field, model }: NamedModel, predictor: PredictorSpec): Refusal | undefined {
  const path = `spec.predictor.${field}`;
  const { storageUris } = predictor;
  return (
    unsupported(model, path, ["model"]) ??
    unsupported(model.storage, `${path}.storage`, ["storage"]) ??
    checkContainer(containerOf(model), path, true) ??
    (field === "model" ? undefined : checkFramework(predictor[field], path)) ??
    ([model.storageUri, model.storage, storageUris].filter(Boolean).length > 1
      ? {
          reason: "InvalidSpec",
          message: `at most one of ${path}.storageUri, ${path}.storage and spec.predictor.storageUris may be set: the model lies in one place`,
        }
      : undefined)
  );
}

/** Variables that follow from other fields; of `model` the schema refuses them. */
const OWN_VARIABLES: readonly string[] = [
  "STORAGE_URI",
  "MODEL_NAME",
  "MODEL_DIR",
  "CONTAINER_CONCURRENCY",
  "REQUEST_TIMEOUT_SECONDS",
];

/** What the schema leaves open in a format's own field. */
function checkFramework(extension: object | undefined, path: string): Refusal | undefined {
  const { env } = (extension ?? {}) as Pick<ModelSpec, "env">;
  const own = env?.find(({ name }) => OWN_VARIABLES.includes(name));
  return own === undefined
    ? unsupported(extension, path, ["framework"])
    : {
        reason: "InvalidContainer",
        message: `${path}.env must not set ${own.name}: it comes from storageUri, the name, containerConcurrency or timeout`,
      };
}

function modelServer(input: DesiredInput, model: ModelSpec): Server | Refusal {
  const { isvc, defaults, accountSecrets = [] } = input;
  const pinned = pinRuntime({
    needs: modelNeeds(model),
    runtimes: input.runtimes,
    pinned: pinOf(input),
    refresh: isvc.metadata.annotations?.[ANNOTATION_RUNTIME_REFRESH],
    automatic: input.runtimeUpdates === "Automatic",
    fetcher: defaults.image,
  });
  if (isRefusal(pinned)) {
    return pinned;
  }
  const { pin, outdated } = pinned;
  const server = runtimeServer({ isvc, model, pin, defaults, accountSecrets });
  return isRefusal(server)
    ? server
    : {
        ...server,
        serviceAnnotations: { [ANNOTATION_RUNTIME]: pinText(pin) },
        warnings: [
          ...(outdated === undefined ? [] : [outdated]),
          ...idleLogger(isvc.spec.predictor, model),
        ],
      };
}

/** What is running says it; what was stopped left it in the status. */
function pinOf({ isvc, live }: DesiredInput): string | undefined {
  const service = live?.predictor;
  return service === undefined
    ? isvc.status?.runtime?.pin
    : service.metadata.annotations?.[ANNOTATION_RUNTIME];
}

/** What `model` asks of a runtime. */
export function modelNeeds(model: ModelSpec): ModelNeeds {
  const { modelFormat, protocolVersion, runtime } = model;
  const { name, version } = modelFormat;
  return { format: name, version, protocol: protocolVersion, runtime };
}
