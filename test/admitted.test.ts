/**
 * Whatever the schema admits is decided, not thrown: a throw would be tried again for ever, and its
 * owner would read nothing of it. Each value of a full spec is replaced by odd ones.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "mocha";
import type { InferenceService } from "../controller/api/inferenceservice.gen.ts";
import type { KubeObject } from "../controller/cluster.ts";
import { readSchema } from "../controller/cli/input.ts";
import { schemaFaults } from "../controller/cli/schema.ts";
import { type Desired, desired } from "../controller/desired/desired.ts";
import { clusterFacts } from "../controller/desired/facts.ts";
import { type Node, shortage } from "../controller/desired/nodes.ts";
import { isRefusal, type Refusal } from "../controller/desired/refusal.ts";
import { builtIns } from "../controller/runtimes.ts";

type Path = readonly (string | number)[];

const schema = readSchema(join(import.meta.dirname, ".."));
const defaults = { image: "predictor:1", resources: {} };
const runtimes = builtIns({ predictorImage: defaults.image, thirdParty: true, images: {} });
const FACTS = [undefined, {}].map((data) => clusterFacts("knative-serving", () => data));
const NODE: Node = {
  ...({ apiVersion: "v1", kind: "Node" } as KubeObject),
  metadata: { name: "a", labels: {} },
};
const ODD: readonly unknown[] = [
  null,
  {},
  [],
  [null],
  [{}],
  { x: null },
  { constructor: {} },
  "",
  "x",
  "__proto__",
  0,
  -1,
  1e21,
  true,
];

const term = { matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] };
const pod = {
  minReplicas: 1,
  annotations: { "autoscaling.knative.dev/window": "60s" },
  labels: { team: "a" },
  nodeSelector: { pool: "a" },
  tolerations: [{ key: "a", operator: "Exists" }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
    },
  },
  topologySpreadConstraints: [{ maxSkew: 1, labelSelector: { matchLabels: { a: "b" } } }],
  hostAliases: [{ ip: "192.0.2.1", hostnames: ["a"] }],
  dnsConfig: { options: [{ name: "ndots", value: "1" }] },
  securityContext: { runAsUser: 1, supplementalGroups: [1] },
  volumes: [
    { name: "v", emptyDir: {} },
    { name: "w", persistentVolumeClaim: { claimName: "c" } },
    { name: "x", projected: { sources: [{ secret: { name: "s", items: [{ key: "a" }] } }] } },
  ],
};
const fields = {
  command: ["/server"],
  args: ["--verbose"],
  env: [{ name: "A", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }],
  envFrom: [{ secretRef: { name: "s" } }],
  ports: [{ containerPort: 9000, name: "http1" }],
  resources: { limits: { memory: "1Gi", "example.com/device": 1 } },
  readinessProbe: { httpGet: { path: "/", port: 9000, httpHeaders: [{ name: "a", value: "b" }] } },
  startupProbe: { exec: { command: ["true"] } },
  securityContext: { capabilities: { add: ["SYS_NICE"] }, privileged: false },
  volumeMounts: [
    { name: "v", mountPath: "/v", mountPropagation: "None" },
    { name: "w", mountPath: "/w" },
    { name: "x", mountPath: "/x" },
  ],
};
const container = { name: "server", image: "example.com/server:1", ...fields };
const first = { name: "first", image: "example.com/first:1", env: [{ name: "A", value: "x" }] };
const storageUri = "s3://models/iris";
const accelerator = { type: "nvidia", count: 1, product: "NVIDIA-L4", sharedMemory: "1Gi" };
const rollout = {
  steps: [{ percent: 10, duration: "5m" }],
  gate: { maxErrorRatio: 0.1, maxLatencyP95: "1s" },
};
const logger = { url: "http://sink", metadataAnnotations: ["a"], metadataHeaders: ["b"] };

const SPECS: Readonly<Record<string, object>> = {
  "a model": {
    predictor: {
      ...pod,
      rollout,
      accelerator,
      logger,
      batcher: { maxBatchSize: 8 },
      initContainers: [first],
      model: {
        modelFormat: { name: "onnx", version: "1" },
        storageUri,
        repository: { preload: ["iris"], memoryBudget: "1Gi" },
        ...fields,
      },
    },
  },
  "a format's own field": {
    predictor: { ...pod, onnx: { storageUri, runtime: "onnxruntime", name: "x", ...fields } },
  },
  "another runtime": {
    predictor: { ...pod, sklearn: { storageUri, runtimeVersion: "1", ...fields } },
  },
  "a store by its key": {
    predictor: { onnx: { storage: { key: "a", path: "b", parameters: { type: "s3" } } } },
  },
  "several places": {
    predictor: {
      volumes: pod.volumes,
      storageUris: [{ uri: storageUri }, { uri: "pvc://c/d", mountPath: "/more" }],
      model: { modelFormat: { name: "onnx" } },
      containers: [{ ...container, name: "transformer-container" }],
    },
  },
  "servers of one's own": {
    predictor: {
      ...pod,
      accelerator,
      startupTimeout: 60,
      initContainers: [first],
      containers: [
        { ...container, env: [{ name: "STORAGE_URI", value: storageUri }] },
        { name: "beside", image: "example.com/beside:1" },
      ],
    },
    transformer: { volumes: pod.volumes, containers: [container], initContainers: [first] },
    explainer: { containers: [{ name: "explains", image: "example.com/explains:1" }] },
  },
};

/** Every place in `value`, the whole itself left out. */
function paths(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== "object" || value === null) {
    return [path];
  }
  const inner = Object.entries(value).flatMap(([key, below]) =>
    paths(below, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return path.length === 0 ? inner : [path, ...inner];
}

function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) {
    return by;
  }
  if (Array.isArray(value)) {
    return value.map((item: unknown, at) => (at === step ? replaced(item, rest, by) : item));
  }
  const inner = (value as Readonly<Record<string, unknown>>)[step];
  return { ...(value as object), [step]: replaced(inner, rest, by) };
}

/** Decides as the controller and `pilotlight check` do. */
function decide(spec: object): readonly (Desired | Refusal)[] {
  const isvc = {
    apiVersion: "pilotlight.dev/v1beta1",
    kind: "InferenceService",
    metadata: { name: "iris", namespace: "default", annotations: { a: "b" } },
    spec,
  } as unknown as InferenceService;
  return FACTS.map((facts) => {
    const found = desired({ isvc, facts, defaults, runtimes });
    for (const service of isRefusal(found) ? [] : Object.values(found.services)) {
      const template = service?.spec?.template?.spec;
      assert.ok(template === undefined || shortage(template, [NODE]).message !== "");
    }
    return found;
  });
}

describe("whatever the schema admits is decided", function () {
  this.timeout(60_000);

  for (const [title, spec] of Object.entries(SPECS)) {
    it(title, () => {
      const specSchema = schema.properties?.["spec"] ?? {};
      assert.deepEqual(schemaFaults(specSchema, spec), [], "the example itself");
      const [found] = decide(spec);
      assert.ok(found !== undefined && !isRefusal(found), JSON.stringify(found));
      const thrown: string[] = [];
      for (const path of paths(spec)) {
        for (const odd of ODD) {
          const changed = replaced(spec, path, odd) as object;
          if (schemaFaults(specSchema, changed).length > 0) {
            continue;
          }
          try {
            decide(changed);
          } catch (error) {
            thrown.push(`${path.join(".")} = ${JSON.stringify(odd)}: ${String(error)}`);
          }
        }
      }
      assert.deepEqual(thrown, []);
    });
  }
});
