/** What the InferenceService's CEL rules let through and refuse, and full examples of its spec. */

type Fields = Readonly<Record<string, unknown>>;

export interface RuleRow {
  readonly name?: string;
  readonly predictor: Fields;
  /** Text of the refusal; absent where the API server has to accept. */
  readonly refusal?: string;
  readonly why: string;
}

const onnx = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris" };
const container = { name: "server", image: "example.com/server:1" };

const keyRef = { name: "store", key: "key", optional: true };
const env = [
  { name: "PLAIN", value: "text" },
  { name: "FROM_SECRET", valueFrom: { secretKeyRef: keyRef } },
  { name: "FROM_CONFIG_MAP", valueFrom: { configMapKeyRef: keyRef } },
  { name: "FROM_POD", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } },
  {
    name: "FROM_RESOURCES",
    valueFrom: {
      resourceFieldRef: { containerName: "server", resource: "limits.memory", divisor: "1Mi" },
    },
  },
];
const resources = { limits: { memory: "1Gi", "nvidia.com/gpu": 1 }, requests: { cpu: "100m" } };
const probe = { httpGet: { path: "/ready" } };

/** What a container of a model and one of the user's own have in common. */
const containerFields: Fields = {
  imagePullPolicy: "IfNotPresent",
  command: ["/server"],
  args: ["--verbose"],
  workingDir: "/",
  env,
  envFrom: [
    { prefix: "A_", secretRef: { name: "a", optional: true } },
    { prefix: "B_", configMapRef: { name: "b", optional: true } },
  ],
  resources,
  ports: [{ containerPort: 9000, name: "http1", protocol: "TCP" }],
  readinessProbe: probe,
  livenessProbe: probe,
  startupProbe: probe,
  securityContext: { runAsNonRoot: true },
  volumeMounts: [
    { name: "v", mountPath: "/v", subPath: "s", readOnly: true, mountPropagation: "None" },
  ],
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
};

/** What predictor, transformer and explainer have in common. */
const componentFields: Fields = {
  minReplicas: 1,
  maxReplicas: 0,
  scaleMetric: "concurrency",
  scaleTarget: 8,
  containerConcurrency: 16,
  timeout: 60,
  canaryTrafficPercent: 10,
  logger: {
    url: "http://sink.example.com",
    mode: "all",
    sample: 10,
    metadataHeaders: ["x-request-id"],
    metadataAnnotations: ["team"],
  },
  batcher: { maxBatchSize: 8, maxLatency: 5, timeout: 60 },
  labels: { team: "a" },
  annotations: { "example.com/note": "b" },
  nodeSelector: { "example.com/pool": "c" },
  tolerations: [
    { key: "d", operator: "Equal", value: "e", effect: "NoExecute", tolerationSeconds: 60 },
  ],
  serviceAccountName: "store-reader",
  affinity: { nodeAffinity: {} },
  topologySpreadConstraints: [{ maxSkew: 1 }],
  hostAliases: [{ ip: "192.0.2.1" }],
  runtimeClassName: "gvisor",
  priorityClassName: "high",
  schedulerName: "other",
  dnsPolicy: "Default",
  dnsConfig: { searches: ["example.com"] },
  securityContext: { runAsNonRoot: true },
  shareProcessNamespace: true,
  hostNetwork: false,
  hostPID: false,
  hostIPC: false,
  enableServiceLinks: false,
  automountServiceAccountToken: false,
  imagePullSecrets: [{ name: "registry" }],
  volumes: [{ name: "v", emptyDir: {} }],
  initContainers: [{ name: "first", image: "example.com/first:1" }],
};

const storage = { key: "minio", path: "iris", parameters: { bucket: "models" } };

/** Every field that goes with `model`. */
export const MODEL_EXAMPLE: Fields = {
  predictor: {
    ...componentFields,
    rollout: {
      strategy: "Gradual",
      steps: [{ percent: 100, duration: "5m" }],
      gate: { maxErrorRatio: 0.5, maxLatencyP95: "250ms", minRequests: 50 },
    },
    startupTimeout: 600,
    accelerator: {
      type: "google-tpu",
      count: 4,
      product: "tpu-v6e-slice",
      topology: "2x2",
      resourceName: "google.com/tpu",
      sharedMemory: "1Gi",
    },
    storageUris: [{ uri: "pvc://claim/path", mountPath: "/more" }],
    model: {
      modelFormat: { name: "onnx", version: "1" },
      storageUri: "s3://models/iris",
      storage,
      repository: {
        preload: ["iris"],
        memoryBudget: "1Gi",
        diskBudget: "10Gi",
        pollSeconds: 60,
      },
      task: "question-answering",
      protocolVersion: "v2",
      runtime: "onnxruntime",
      runtimeVersion: "1.0",
      name: "kserve-container",
      image: "example.com/other:1",
      ...containerFields,
    },
  },
  transformer: { ...componentFields, containers: [{ ...container, ...containerFields }] },
  explainer: { ...componentFields, containers: [{ ...container, ...containerFields }] },
};

/** Every field that goes with `containers`. */
export const CONTAINERS_EXAMPLE: Fields = {
  predictor: { containers: [{ ...container, ...containerFields }] },
};

/** Every field of a framework's name, which the schema has for each framework alike. */
export const FRAMEWORK_EXAMPLE: Fields = {
  predictor: {
    onnx: {
      storageUri: "s3://models/iris",
      storage,
      protocolVersion: "v2",
      runtimeVersion: "1.0",
      image: "example.com/other:1",
      resources,
      args: ["--verbose"],
    },
  },
};

export const EXAMPLES: readonly Fields[] = [MODEL_EXAMPLE, CONTAINERS_EXAMPLE, FRAMEWORK_EXAMPLE];

function withModel(fields: Fields): Fields {
  return { model: { ...onnx, ...fields } };
}

function withUri(storageUri: string): Fields {
  return withModel({ storageUri });
}

function withAccelerator(accelerator: Fields): Fields {
  return { ...withModel({}), accelerator };
}

const TOPOLOGY = "topology is for type google-tpu";
const PRODUCT = "product must be set for type google-tpu";
const CHIPS = "count must be 1, 4 or 8 for type google-tpu";
const NAME = "metadata.name must start with a letter";
const LENGTH = "metadata.name must have at most 46 characters";
const EITHER = "exactly one of spec.predictor.model";
const REPLICAS = "minReplicas must not be greater than maxReplicas";
const METRIC = "scaleMetric must be concurrency or rps";
const LABELS = "labels of the groups serving.knative.dev and pilotlight.dev";
const URI = "storageUri must be s3://bucket/prefix";
const USER = "storageUri must not carry a user name or password";
const PARENT = "storageUri must not contain '..'";
const KNATIVE_ENV = "env must not set PORT";
const OWN_ENV = "env must not set STORAGE_URI";
const ONE_VALUE = "only one of value and valueFrom may be set";
const ONE_SOURCE =
  "exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef must be set";

const RECREATE = "strategy Recreate has no shares";
const STEPS = "rollout.steps must have at least one step";
const GATE = "rollout.gate judges the steps";

const model = { model: onnx };
const step = { percent: 10, duration: "5m" };
const whole = { percent: 100, duration: "5m" };

function withRollout(rollout: Fields): Fields {
  return { ...model, rollout };
}
const transformer = { ...container, name: "transformer-container" };

export const RULE_ROWS: readonly RuleRow[] = [
  { predictor: model, why: "the least there is" },
  { name: "a", predictor: model, why: "one letter is a name" },
  { name: "a1-b2", predictor: model, why: "digits and dashes inside" },
  { name: "1a", predictor: model, refusal: NAME, why: "a Service's name starts with a letter" },
  { name: "a.b", predictor: model, refusal: NAME, why: "a dot is no part of a DNS label" },
  { name: "a".repeat(46), predictor: model, why: "the longest name" },
  { name: "a".repeat(47), predictor: model, refusal: LENGTH, why: "one longer" },
  { predictor: { containers: [container] }, why: "a server of one's own" },
  { predictor: {}, refusal: EITHER, why: "nothing to serve" },
  { predictor: { ...model, containers: [container] }, refusal: EITHER, why: "two servers" },
  { predictor: { onnx: { storageUri: "s3://a/b" } }, why: "a format by its own name" },
  { predictor: { ...model, onnx: {} }, refusal: EITHER, why: "a model under two names" },
  { predictor: { sklearn: {}, onnx: {} }, refusal: EITHER, why: "two models" },
  { predictor: { ...model, containers: [transformer] }, why: "a transformer in the model's pod" },
  {
    predictor: { containers: [transformer] },
    refusal: EITHER,
    why: "a transformer and nothing to ask",
  },
  {
    predictor: { containers: [{ ...container, name: "kserve-container" }, transformer] },
    why: "a transformer in the pod of a server of one's own",
  },
  {
    predictor: {
      ...model,
      containers: [{ ...container, name: "kserve-container" }, transformer],
    },
    refusal: EITHER,
    why: "a model, a server and a transformer",
  },
  { predictor: { ...model, minReplicas: 2, maxReplicas: 2 }, why: "a fixed number of pods" },
  { predictor: { ...model, minReplicas: 2, maxReplicas: 0 }, why: "0 means no upper limit" },
  { predictor: { ...model, minReplicas: 2 }, why: "no upper limit named" },
  {
    predictor: { ...model, minReplicas: 3, maxReplicas: 2 },
    refusal: REPLICAS,
    why: "no number of pods satisfies both",
  },
  { predictor: withAccelerator({ type: "nvidia" }), why: "a device, whichever" },
  {
    predictor: withAccelerator({ type: "nvidia", topology: "2x2" }),
    refusal: TOPOLOGY,
    why: "GPUs of a node are wired as they are",
  },
  { predictor: withAccelerator({ type: "google-tpu" }), refusal: PRODUCT, why: "which TPU" },
  {
    predictor: withAccelerator({ type: "google-tpu", product: "tpu-v6e-slice", count: 8 }),
    why: "all chips of the largest node",
  },
  {
    predictor: withAccelerator({ type: "google-tpu", product: "tpu-v6e-slice", count: 2 }),
    refusal: CHIPS,
    why: "no node has two",
  },
  { predictor: withRollout({ steps: [step, whole] }), why: "two steps" },
  { predictor: withRollout({ steps: [] }), refusal: STEPS, why: "a rollout of nothing" },
  { predictor: withRollout({}), refusal: STEPS, why: "a rollout that says nothing" },
  { predictor: withRollout({ strategy: "Gradual" }), refusal: STEPS, why: "no shares" },
  { predictor: withRollout({ strategy: "Recreate" }), why: "one device needs no shares" },
  { predictor: withRollout({ strategy: "Recreate", steps: [whole] }), why: "time on trial" },
  {
    predictor: withRollout({ strategy: "Recreate", steps: [step] }),
    refusal: RECREATE,
    why: "two revisions on one device",
  },
  {
    predictor: withRollout({ strategy: "Recreate", gate: { maxErrorRatio: 0 } }),
    refusal: GATE,
    why: "nothing to judge",
  },
  { predictor: { ...model, scaleMetric: "rps" }, why: "requests a second" },
  { predictor: { ...model, scaleMetric: "cpu" }, refusal: METRIC, why: "cannot wake from zero" },
  { predictor: { ...model, scaleMetric: "memory" }, refusal: METRIC, why: "the same" },
  { predictor: { ...model, labels: { "example.com/team": "a" } }, why: "a label of one's own" },
  ...["serving.knative.dev/x", "pilotlight.dev/x", "app.kubernetes.io/instance"].map((label) => ({
    predictor: { ...model, labels: { [label]: "a" } },
    refusal: LABELS,
    why: `${label} is not the user's`,
  })),
  ...[
    "s3://bucket",
    "s3://bucket/a folder/model.onnx",
    "https://example.com/model.onnx",
    "pvc://claim/path",
    "file:///models/iris",
    "/models/iris",
    "s3://bucket/a..b/",
    "gs://bucket/prefix",
    "az://container/prefix",
    "hf://organisation/repository@main/onnx",
    "oci://registry.example:5000/models/iris:v1",
  ].map((uri) => ({ predictor: withUri(uri), why: `${uri} is a place` })),
  ...[
    " ",
    "bucket/prefix",
    "http://example.com/model.onnx",
    "HTTPS://example.com/model.onnx",
    "ftp://bucket/prefix",
    "s3:///prefix",
    "file://host/path",
    "/models/a b",
    "s3://bucket/a\nb",
    "s3://bucket/a\tb",
    "s3://bucket/a\u0000b",
  ].map((uri) => ({
    predictor: withUri(uri),
    refusal: URI,
    why: `${JSON.stringify(uri)} is no place that can be read`,
  })),
  {
    predictor: withUri("https://user:secret@example.com/m.onnx"),
    refusal: USER,
    why: "a spec is not a place for secrets",
  },
  { predictor: withUri("https://example.com/a@b.onnx"), why: "an @ in the path is no user" },
  { predictor: withUri("pvc://claim/../other"), refusal: PARENT, why: "climbs out" },
  { predictor: withUri("/models/.."), refusal: PARENT, why: "climbs out at the end" },
  ...["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"].map((name) => ({
    predictor: withModel({ env: [{ name, value: "x" }] }),
    refusal: KNATIVE_ENV,
    why: `${name} is Knative's`,
  })),
  ...[
    "STORAGE_URI",
    "MODEL_NAME",
    "MODEL_DIR",
    "CONTAINER_CONCURRENCY",
    "REQUEST_TIMEOUT_SECONDS",
  ].map((name) => ({
    predictor: withModel({ env: [{ name, value: "x" }] }),
    refusal: OWN_ENV,
    why: `${name} follows from the spec`,
  })),
  ...[{ memory: "-1Gi" }, { "nvidia.com/gpu": -1 }].map((limits) => ({
    predictor: withModel({ resources: { limits } }),
    refusal: "spec.predictor.model.resources.limits",
    why: `${JSON.stringify(limits)} is less than nothing`,
  })),
  { predictor: withModel({ env: [{ name: "EMPTY" }] }), why: "a variable may be empty" },
  {
    predictor: withModel({ env: [{ name: "A", value: "x", valueFrom: { secretKeyRef: keyRef } }] }),
    refusal: ONE_VALUE,
    why: "two values",
  },
  {
    predictor: withModel({ env: [{ name: "A", valueFrom: {} }] }),
    refusal: ONE_SOURCE,
    why: "from nowhere",
  },
  {
    predictor: withModel({
      env: [{ name: "A", valueFrom: { secretKeyRef: keyRef, configMapKeyRef: keyRef } }],
    }),
    refusal: ONE_SOURCE,
    why: "from two places",
  },
  {
    predictor: withModel({ env: [{ name: "A" }, { name: "A" }] }),
    refusal: "Duplicate value",
    why: "which of the two counts is nobody's guess",
  },
  {
    predictor: { ...model, minReplica: 1 },
    refusal: 'unknown field "spec.predictor.minReplica"',
    why: "a typo must not be ignored in silence",
  },
];
