/**
 * The runtimes that are there without anybody making them: our own predictor, and the servers that
 * KServe ships, under KServe's names. They are a table here and not ClusterServingRuntimes in the
 * chart: docs/decisions says why.
 */
import type { ServingRuntimeSpec } from "../api/servingruntime.gen.ts";
import { PREDICTOR_CONTAINER } from "../api/names.ts";

/** Name of the runtime that is our own predictor. */
export const ONNXRUNTIME = "onnxruntime";

/** OnRequest: pilotlight.dev/runtime-refresh asks for it. */
export type RuntimeUpdates = "OnRequest" | "Automatic";

export interface BuiltInSettings {
  /** Image of our own predictor. */
  readonly predictorImage: string;
  /** Whether the servers of others are offered. */
  readonly thirdParty: boolean;
  /** By name of the runtime: an image instead of the public one, e.g. a mirror's. */
  readonly images: Readonly<Record<string, string>>;
}

type Format = NonNullable<ServingRuntimeSpec["supportedModelFormats"]>[number];
type Volume = NonNullable<ServingRuntimeSpec["volumes"]>[number];
type Container = ServingRuntimeSpec["containers"][number];

/** PyTorch's processes hand tensors to each other there. */
const MEMORY: Volume & object = Object.assign(
  { name: "devshm" },
  { emptyDir: { medium: "Memory" } },
);
const SERVER = "kserve-container";
const RESOURCES = { requests: { cpu: "1", memory: "2Gi" } };
const V2_READY = { httpGet: { path: "/v2/health/ready", port: 8080 } };

/** `name version version…`, each chosen by itself with this priority. */
function formats(words: string, priority?: number): readonly Format[] {
  const [name = "", ...versions] = words.split(" ");
  return versions.map((version) => ({
    name,
    version,
    autoSelect: true,
    ...(priority === undefined ? {} : { priority }),
  }));
}

function server(container: Omit<Container, "name">): readonly Container[] {
  return [{ name: SERVER, resources: RESOURCES, ...container }];
}

/** KServe's own Python servers differ in their image and format alone. */
function pythonServer(image: string, format: readonly Format[]): ServingRuntimeSpec {
  return {
    supportedModelFormats: format,
    protocolVersions: ["v1", "v2"],
    containers: server({
      image,
      args: ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=8080"],
      readinessProbe: V2_READY,
      securityContext: { runAsNonRoot: true },
    }),
  };
}

/** Only with a name in the InferenceService: the format has a better server, or is ambiguous. */
function onRequest(words: string): readonly Format[] {
  return formats(words).map(({ name, version = "" }) => ({ name, version }));
}

const THIRD_PARTY: Readonly<Record<string, ServingRuntimeSpec>> = {
  "kserve-tritonserver": {
    supportedModelFormats: [
      ...formats("triton 2", 1),
      ...formats("tensorrt 8", 1),
      ...formats("tensorflow 1 2", 1),
      ...formats("pytorch 1", 1),
      ...onRequest("onnx 1"),
    ],
    protocolVersions: ["v2", "grpc-v2"],
    containers: server({
      image: "nvcr.io/nvidia/tritonserver:23.05-py3",
      args: [
        "tritonserver",
        "--model-store=/mnt/models",
        "--http-port=8080",
        "--grpc-port=9000",
        "--allow-http=true",
        "--allow-grpc=true",
      ],
      ports: [
        { containerPort: 8080, name: "http1" },
        { containerPort: 9000, name: "h2c" },
      ],
      readinessProbe: V2_READY,
    }),
  },
  "kserve-mlserver": {
    supportedModelFormats: [
      ...formats("sklearn 0 1", 2),
      ...formats("xgboost 1 2", 2),
      ...formats("lightgbm 3 4", 2),
      ...formats("mlflow 1 2", 1),
      ...formats("catboost 1", 1),
    ],
    protocolVersions: ["v2", "grpc-v2"],
    containers: server({
      image: "docker.io/seldonio/mlserver:1.5.0",
      env: [
        { name: "MLSERVER_MODEL_IMPLEMENTATION", value: "{{.Labels.modelClass}}" },
        { name: "MLSERVER_MODEL_NAME", value: "{{.Name}}" },
        { name: "MLSERVER_MODEL_URI", value: "/mnt/models" },
        { name: "MLSERVER_HTTP_PORT", value: "8080" },
        { name: "MLSERVER_GRPC_PORT", value: "9000" },
        { name: "MODELS_DIR", value: "/mnt/models" },
      ],
      ports: [
        { containerPort: 8080, name: "http1" },
        { containerPort: 9000, name: "h2c" },
      ],
      readinessProbe: V2_READY,
      securityContext: { runAsNonRoot: true },
    }),
  },
  "kserve-tensorflow-serving": {
    supportedModelFormats: formats("tensorflow 1 2", 2),
    protocolVersions: ["v1", "grpc-v1"],
    containers: server({
      image: "docker.io/tensorflow/serving:2.6.2",
      command: ["/usr/bin/tensorflow_model_server"],
      args: [
        "--model_name={{.Name}}",
        "--model_base_path=/mnt/models",
        "--rest_api_port=8080",
        "--port=9000",
        "--rest_api_timeout_in_ms=60000",
      ],
      ports: [
        { containerPort: 8080, name: "http1" },
        { containerPort: 9000, name: "h2c" },
      ],
      readinessProbe: { httpGet: { path: "/v1/models/{{.Name}}", port: 8080 } },
      // Its image names no user.
      securityContext: { runAsNonRoot: true, runAsUser: 1000 },
    }),
  },
  "kserve-torchserve": {
    supportedModelFormats: formats("pytorch 1", 2),
    protocolVersions: ["v1", "v2"],
    containers: server({
      image: "docker.io/pytorch/torchserve-kfs:0.9.0",
      args: [
        "torchserve",
        "--start",
        "--model-store=/mnt/models/model-store",
        "--ts-config=/mnt/models/config/config.properties",
      ],
      env: [{ name: "TS_SERVICE_ENVELOPE", value: "{{.Labels.serviceEnvelope}}" }],
      readinessProbe: { httpGet: { path: "/v2/health/ready", port: 8080 } },
      securityContext: { runAsNonRoot: true, runAsUser: 1000 },
    }),
  },
  "kserve-huggingfaceserver": {
    supportedModelFormats: formats("huggingface 1", 1),
    protocolVersions: ["v1", "v2"],
    containers: server({
      image: "docker.io/kserve/huggingfaceserver:v0.15.2",
      args: ["--model_name={{.Name}}"],
      readinessProbe: V2_READY,
      securityContext: { runAsNonRoot: true },
      volumeMounts: [{ name: "devshm", mountPath: "/dev/shm" }],
    }),
    volumes: [MEMORY],
  },
  "kserve-sklearnserver": pythonServer(
    "docker.io/kserve/sklearnserver:v0.15.2",
    formats("sklearn 1", 1),
  ),
  "kserve-xgbserver": pythonServer("docker.io/kserve/xgbserver:v0.15.2", formats("xgboost 1 2", 1)),
  "kserve-lgbserver": pythonServer("docker.io/kserve/lgbserver:v0.15.2", formats("lightgbm 3", 1)),
  "kserve-pmmlserver": pythonServer("docker.io/kserve/pmmlserver:v0.15.2", formats("pmml 3 4", 1)),
  "kserve-paddleserver": pythonServer(
    "docker.io/kserve/paddleserver:v0.15.2",
    formats("paddle 2", 1),
  ),
};

/** Servers whose images for GPUs have the tag of the others with this behind it. */
export const GPU_TAG_SUFFIX: Readonly<Record<string, string>> = {
  "kserve-tensorflow-serving": "-gpu",
  "kserve-torchserve": "-gpu",
  "kserve-huggingfaceserver": "-gpu",
};

/** By name. An image that is set for an unknown name is a mistake of the settings' reader. */
export function builtInRuntimes(
  settings: BuiltInSettings,
): Readonly<Record<string, ServingRuntimeSpec>> {
  const others = settings.thirdParty ? Object.entries(THIRD_PARTY) : [];
  return {
    [ONNXRUNTIME]: ownRuntime(settings.predictorImage),
    ...Object.fromEntries(
      others.map(([name, spec]) => [name, withImage(spec, settings.images[name])]),
    ),
  };
}

/** Our own predictor. */
export function ownRuntime(image: string): ServingRuntimeSpec {
  return {
    supportedModelFormats: formats("onnx 1", 1),
    protocolVersions: ["v1", "v2", "grpc-v2"],
    containers: [{ name: PREDICTOR_CONTAINER, image }],
  };
}

/** Names that `images` of BuiltInSettings may have. */
export const THIRD_PARTY_NAMES: readonly string[] = Object.keys(THIRD_PARTY);

function withImage(spec: ServingRuntimeSpec, image: string | undefined): ServingRuntimeSpec {
  return image === undefined
    ? spec
    : { ...spec, containers: spec.containers.map((container) => ({ ...container, image })) };
}
