/**
 * A model and the runtime that serves it → containers and what their pods need. Our own predictor
 * fetches its model itself; for the servers of others an init container does, with the predictor's
 * image: there is no webhook that could put it into the pod later.
 */
import type { InferenceService, PredictorSpec } from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { MODEL_DIR, STORAGE_INITIALIZER } from "../api/names.ts";
import type { ServingRuntimeSpec } from "../api/servingruntime.gen.ts";
import { lookup } from "../lookup.ts";
import { GPU_TAG_SUFFIX, ONNXRUNTIME } from "./builtin-runtimes.ts";
import { accountMount, type ListedSecret } from "./account-secrets.ts";
import { collocated } from "./collocated.ts";
import { CONFINED, modelContainer, type PredictorDefaults } from "./container.ts";
import { customPod, onlyOurs } from "./custom.ts";
import { storageSecret } from "./metadata.ts";
import { withModelHosts } from "./model-hosts.ts";
import { podFields } from "./pod.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import {
  besideContainer,
  byKey,
  mergeContainer,
  type ModelContainer,
  serverOf,
  withModelFields,
} from "./runtime-container.ts";
import type { Pin } from "./runtime-pin.ts";
import { expand, type TemplateValues } from "./runtime-template.ts";
import {
  credentialsMount,
  mergeMounts,
  modelMount,
  type ModelMount,
  placesMount,
  storageMount,
} from "./storage.ts";
import { unsupported } from "./unsupported.ts";

export interface Server {
  readonly pod: KnativeServicePodSpec;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Who asks the model's store, and with whose keys. */
export interface StorageInput {
  readonly isvc: InferenceService;
  /** Secrets that the service account lists, where they count. */
  readonly accountSecrets: readonly ListedSecret[];
  readonly defaults: PredictorDefaults;
}

export interface ServerInput extends StorageInput {
  readonly model: ModelContainer;
  readonly pin: Pin;
}

/** The containers that serve the model of spec.predictor. */
export function runtimeServer(input: ServerInput): Server | Refusal {
  const { kind, name } = input.pin.runtime;
  return kind === "BuiltIn" && name === ONNXRUNTIME ? ownServer(input) : othersServer(input);
}

function ownServer(input: ServerInput): Server | Refusal {
  const { isvc, model, pin, defaults } = input;
  const [own] = pin.runtime.spec.containers;
  const image = own?.image ?? defaults.image;
  const place = placeOf(isvc.spec.predictor, model);
  if (isRefusal(place)) {
    return place;
  }
  const mount = mergeMounts(place, credentials(input));
  const container = modelContainer({
    metadata: isvc.metadata,
    model,
    predictor: isvc.spec.predictor,
    mount,
    defaults: { ...defaults, image: withVersion(image, model.runtimeVersion) },
  });
  const server = fetching(withModelFields(container, model), place, defaults);
  const volumes = stillMounted(mount, server);
  if (isRefusal(volumes)) {
    return volumes;
  }
  const containers = collocated(isvc, server);
  return isRefusal(containers)
    ? containers
    : { pod: modelPod(isvc.spec.predictor, { containers, volumes }) };
}

/** With the rules for hosts of models, unless the model lies in the image or on a claim. */
function fetching(
  server: KnativeServiceContainer,
  { volumes }: ModelMount,
  { modelHosts }: PredictorDefaults,
): KnativeServiceContainer {
  const downloads = volumes.some(({ emptyDir }) => emptyDir !== undefined);
  return downloads ? { ...server, env: withModelHosts(server.env, modelHosts) } : server;
}

/**
 * The volumes of `mount` that `server` mounts. Where the user mounts a volume of his own in the
 * place of the one that takes the download, that is where it goes, a shared file system for
 * instance; what has its content already cannot be replaced.
 */
function stillMounted(
  { volumes, mounts }: ModelMount,
  server: KnativeServiceContainer,
): ModelMount["volumes"] | Refusal {
  const names = new Set(server.volumeMounts?.map(({ name }) => name));
  const lost = volumes.find(({ name, emptyDir }) => emptyDir === undefined && !names.has(name));
  return lost === undefined
    ? volumes.filter(({ name }) => names.has(name))
    : {
        reason: "InvalidSpec",
        message: `spec.predictor.model.volumeMounts must not have mountPath ${mounts.find(({ name }) => name === lost.name)?.mountPath}: the claim of the storageUri, or the storage secret, is mounted there`,
      };
}

function placeOf({ storageUris }: PredictorSpec, model: ModelContainer): ModelMount | Refusal {
  if (storageUris !== undefined) {
    return placesMount(storageUris, "spec.predictor.storageUris");
  }
  return model.storage === undefined ? modelMount(model.storageUri) : storageMount(model.storage);
}

/** What the model's server needs, with what the InferenceService says of its pods. */
function modelPod(predictor: PredictorSpec, server: KnativeServicePodSpec): KnativeServicePodSpec {
  const pod = customPod(predictor, server.containers);
  const initContainers = byKey("name", server.initContainers, pod.initContainers);
  return {
    // A model never wants the token of its account.
    automountServiceAccountToken: false,
    ...pod,
    ...server,
    ...(initContainers.length === 0 ? {} : { initContainers }),
    volumes: [...(server.volumes ?? []), ...(pod.volumes ?? [])],
  };
}

function withVersion(image: string, version: string | undefined): string {
  return version === undefined ? image : `${image.replace(/(@[^/]*|:[^/:]*)$/, "")}:${version}`;
}

function othersServer(input: ServerInput): Server | Refusal {
  const { isvc, model, pin } = input;
  const { runtime, protocol } = pin;
  const refusal = notOurs(isvc.spec.predictor, model, runtime.name);
  if (refusal !== undefined) {
    return refusal;
  }
  const main = serverOf(runtime.spec.containers);
  if (main === undefined) {
    return {
      reason: "RuntimeInvalid",
      message: `the runtime ${runtime.name} has no container`,
    };
  }
  // An accelerator's resources are added later, to whatever the server is by then.
  const gpu = isvc.spec.predictor.accelerator?.type === "nvidia";
  const gpuTagSuffix = lookup(GPU_TAG_SUFFIX, runtime.name);
  const server = mergeContainer(main, { model, protocol, gpu, gpuTagSuffix });
  const others = runtime.spec.containers.filter((container) => container !== main);
  const expanded = expand(
    { server, others: others.map(besideContainer) },
    templateValues(isvc, model.modelFormat.name, pin),
  );
  if ("refusal" in expanded) {
    return expanded.refusal;
  }
  if (expanded.value.server.image === undefined) {
    return {
      reason: "RuntimeInvalid",
      message: `the runtime ${runtime.name} names no image for its container ${main.name}; name one there or in spec.predictor.model.image`,
    };
  }
  const { volumeMounts: mounts } = expanded.value.server;
  const { mount, initContainers } = fetched({ ...input, mounts });
  return {
    pod: modelPod(isvc.spec.predictor, {
      containers: [mounted(expanded.value.server, mount), ...expanded.value.others],
      initContainers,
      volumes: [...(runtime.spec.volumes ?? []), ...mount.volumes],
      ...podParts(isvc, runtime.spec),
    }),
    ...(runtime.spec.labels === undefined ? {} : { labels: runtime.spec.labels }),
    ...(runtime.spec.annotations === undefined ? {} : { annotations: runtime.spec.annotations }),
  };
}

/** What is made for our own predictor alone. */
function notOurs(
  predictor: PredictorSpec,
  model: ModelContainer,
  runtime: string,
): Refusal | undefined {
  return (
    onlyOurs(predictor, "spec.predictor") ??
    unsupported(model, "spec.predictor.model", ["others"]) ??
    (predictor.storageUris === undefined && model.storage === undefined
      ? undefined
      : {
          reason: "FieldNotSupported",
          message: `spec.predictor.storageUris and storage are for the standard predictor, and ${runtime} serves this model; use storageUri, and a Secret with the annotation pilotlight.dev/storage-secret`,
        }) ??
    (predictor.containers === undefined
      ? undefined
      : {
          reason: "FieldNotSupported",
          message: `spec.predictor.containers beside a model is for the standard predictor, which can leave its port to them; ${runtime} cannot: use spec.transformer`,
        })
  );
}

function mounted(server: KnativeServiceContainer, mount: ModelMount): KnativeServiceContainer {
  const volumeMounts = byKey("mountPath", server.volumeMounts, mount.mounts);
  return volumeMounts.length === 0
    ? server
    : { ...server, volumeMounts: volumeMounts as unknown as ModelMount["mounts"] };
}

/** What KServe's webhook writes into an InferenceService for its runtimes to read. */
const MODEL_CLASSES: Readonly<Record<string, string>> = {
  sklearn: "mlserver_sklearn.SKLearnModel",
  xgboost: "mlserver_xgboost.XGBoostModel",
  lightgbm: "mlserver_lightgbm.LightGBMModel",
  mlflow: "mlserver_mlflow.MLflowRuntime",
  catboost: "mlserver_catboost.CatboostModel",
  huggingface: "mlserver_huggingface.HuggingFaceRuntime",
};

function templateValues(isvc: InferenceService, format: string, { protocol }: Pin): TemplateValues {
  const { name, namespace = "", labels, annotations } = isvc.metadata;
  const modelClass = lookup(MODEL_CLASSES, format);
  return {
    name,
    namespace,
    labels: {
      serviceEnvelope: protocol.endsWith("v2") ? "kservev2" : "kserve",
      ...(modelClass === undefined ? {} : { modelClass }),
      ...labels,
    },
    annotations: annotations ?? {},
  };
}

const VOLUME = "model";
/** Variables of the model that are meant for whoever fetches it (docs/runtime-contract.md). */
const STORAGE_VARIABLE = new RegExp(
  "^(AWS_|S3_|GOOGLE_|AZURE_|AZ_|HF_|STORAGE_|OCI_|https?_proxy$|no_proxy$|NODE_EXTRA_CA_CERTS$|ALLOW_INSECURE_HTTP$|MODEL_BYTES_MAX$)",
  "i",
);

type Env = NonNullable<KnativeServiceContainer["env"]>;

interface FetchInput extends StorageInput {
  readonly model: Pick<ModelContainer, "storageUri" | "env">;
  /** What the server mounts by the user's word. */
  readonly mounts: KnativeServiceContainer["volumeMounts"];
  readonly pin: Pick<Pin, "fetcher">;
}

/**
 * The pods of a server of the user's own whose environment names a model by STORAGE_URI, as KServe
 * has it: the model is put at /mnt/models before the server starts, and the variable says so.
 */
export function withStorageUri(
  input: StorageInput,
  pod: KnativeServicePodSpec,
): KnativeServicePodSpec {
  const [server, ...others] = pod.containers;
  const storageUri = server?.env?.find(({ name }) => name === "STORAGE_URI")?.value;
  if (server === undefined || storageUri === undefined || storageUri.startsWith("/")) {
    return pod;
  }
  const { env } = server as unknown as Pick<ModelContainer, "env">;
  const keys = (env ?? []).filter(({ name }) => name !== "STORAGE_URI");
  const { mount, initContainers } = fetched({
    ...input,
    model: { storageUri, env: keys },
    mounts: server.volumeMounts,
    pin: { fetcher: input.defaults.image },
  });
  const told = { name: "STORAGE_URI", value: MODEL_DIR };
  return {
    ...pod,
    initContainers: [...initContainers, ...(pod.initContainers ?? [])],
    containers: [
      mounted({ ...server, env: byKey("name", server.env, [told]) as unknown as Env }, mount),
      ...others,
    ],
    volumes: [...mount.volumes, ...(pod.volumes ?? [])],
  };
}

interface Fetched {
  readonly mount: ModelMount;
  readonly initContainers: NonNullable<KnativeServicePodSpec["initContainers"]>;
}

/** A claim is mounted where the server looks; everything else is put there before it starts. */
function fetched(input: FetchInput): Fetched {
  const { model, mounts = [], pin, defaults } = input;
  const { storageUri } = model;
  const direct = modelMount(storageUri);
  const isMounted = direct.volumes.some(({ emptyDir }) => emptyDir === undefined);
  if (storageUri === undefined || isMounted) {
    return { mount: { ...direct, env: {} }, initContainers: [] };
  }
  const keys = credentials(input);
  // A volume of the user's own there takes the model, a shared file system for instance.
  const stated = mounts.find(({ mountPath }) => mountPath === MODEL_DIR);
  const { name = VOLUME, subPath } = stated ?? {};
  const writable = {
    name,
    mountPath: MODEL_DIR,
    ...(subPath === undefined ? {} : { subPath }),
  };
  const own = (model.env ?? []).filter(({ name }) => STORAGE_VARIABLE.test(name));
  const variables = { STORAGE_URI: storageUri, MODEL_DIR, ...keys.env };
  const { imagePullPolicy } = defaults;
  return {
    mount: {
      env: {},
      volumes: [...(stated === undefined ? [{ name: VOLUME, emptyDir: {} }] : []), ...keys.volumes],
      mounts: stated === undefined ? [{ ...writable, readOnly: true }] : [],
    },
    initContainers: [
      {
        name: STORAGE_INITIALIZER,
        image: pin.fetcher,
        ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
        args: ["download"],
        env: withModelHosts(
          byKey(
            "name",
            Object.entries(variables).map(([name, value]) => ({ name, value })),
            own,
          ) as unknown as Env,
          defaults.modelHosts,
        ),
        resources: defaults.resources,
        securityContext: { ...CONFINED, runAsNonRoot: true, readOnlyRootFilesystem: true },
        terminationMessagePolicy: "FallbackToLogsOnError",
        volumeMounts: [writable, ...keys.mounts],
      },
    ],
  };
}

/** A Secret that the InferenceService names goes before those of the account. */
function credentials({ isvc, accountSecrets }: StorageInput): ModelMount {
  const secret = storageSecret(isvc.metadata);
  return secret === undefined ? accountMount(accountSecrets) : credentialsMount(secret);
}

/** What the runtime says about its pods, under what the InferenceService says. */
function podParts(
  isvc: InferenceService,
  { nodeSelector, tolerations, affinity, imagePullSecrets }: ServingRuntimeSpec,
): Partial<KnativeServicePodSpec> {
  const predictor = podFields(isvc.spec.predictor);
  return {
    ...(nodeSelector === undefined
      ? {}
      : { nodeSelector: { ...nodeSelector, ...predictor.nodeSelector } }),
    ...(tolerations === undefined
      ? {}
      : { tolerations: [...tolerations, ...(predictor.tolerations ?? [])] }),
    ...(affinity === undefined || predictor.affinity !== undefined ? {} : { affinity }),
    ...(imagePullSecrets === undefined
      ? {}
      : {
          imagePullSecrets: [...imagePullSecrets, ...(predictor.imagePullSecrets ?? [])],
        }),
  };
}
