/** ServingRuntime and ClusterServingRuntime on a real API server: what they take and refuse. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { CLUSTER_SERVING_RUNTIME, SERVING_RUNTIME } from "../../controller/api/kinds.ts";
import type { Kind, KubeObject } from "../../controller/cluster.ts";
import { ApiError } from "../../controller/kube/errors.ts";
import { collectionPath } from "../../controller/kube/paths.ts";
import { clusterScoped } from "../../hack/generate/cluster-scoped.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { CRD, kube, readObjects, type Kube } from "../support/kube.ts";

const CRDS = join(import.meta.dirname, "../../crds");
const CRD_BYTES_MAX = 200_000;

const server = { name: "kserve-container", image: "example.com/server:1" };

/** Every field of which the server makes use. */
const FULL = {
  supportedModelFormats: [{ name: "sklearn", version: "1", autoSelect: true, priority: 2 }],
  protocolVersions: ["v1", "v2", "grpc-v2"],
  disabled: false,
  multiModel: false,
  labels: { team: "a" },
  annotations: { "prometheus.io/port": "8080" },
  nodeSelector: { disk: "ssd" },
  tolerations: [{ key: "a", operator: "Exists", effect: "NoSchedule" }],
  affinity: { nodeAffinity: {} },
  imagePullSecrets: [{ name: "registry" }],
  volumes: [{ name: "devshm", emptyDir: { medium: "Memory" } }],
  containers: [
    {
      ...server,
      imagePullPolicy: "IfNotPresent",
      command: ["/server"],
      args: ["--name={{.Name}}"],
      workingDir: "/",
      env: [
        { name: "A", value: "b" },
        { name: "C", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
      ],
      envFrom: [{ configMapRef: { name: "c" } }],
      resources: { requests: { cpu: "1", memory: "2Gi" }, limits: { "nvidia.com/gpu": 1 } },
      ports: [{ containerPort: 9000, name: "h2c", protocol: "TCP" }],
      readinessProbe: { httpGet: { path: "/ready", port: 9000 } },
      livenessProbe: { tcpSocket: { port: 9000 } },
      startupProbe: { exec: { command: ["true"] } },
      securityContext: { runAsNonRoot: true },
      volumeMounts: [{ name: "devshm", mountPath: "/dev/shm" }],
    },
    { name: "beside", image: "example.com/beside:1" },
  ],
};

const MODEL_MESH = "belong to ModelMesh";
const ROWS: readonly { why: string; spec: object; refusal?: string }[] = [
  { why: "every field", spec: FULL },
  { why: "one container of any name", spec: { containers: [{ ...server, name: "server" }] } },
  {
    why: "several containers without a model server among them",
    spec: {
      containers: [
        { ...server, name: "one" },
        { ...server, name: "two" },
      ],
    },
    refusal: "one must be named kserve-container",
  },
  { why: "no container", spec: { containers: [] }, refusal: "at least 1" },
  {
    why: "multiModel",
    spec: { containers: [server], multiModel: true },
    refusal: "each InferenceService gets pods of its own",
  },
  {
    why: "ModelMesh's adapter",
    spec: { containers: [server], builtInAdapter: { serverType: "triton" } },
    refusal: "builtInAdapter belongs to ModelMesh",
  },
  ...[
    { grpcEndpoint: "port:1" },
    { grpcDataEndpoint: "port:1" },
    { httpDataEndpoint: "port:1" },
    { replicas: 2 },
    { storageHelper: { disabled: true } },
  ].map((field) => ({
    why: Object.keys(field).join(),
    spec: { containers: [server], ...field },
    refusal: MODEL_MESH,
  })),
  {
    why: "several nodes",
    spec: { containers: [server], workerSpec: { pipelineParallelSize: 2 } },
    refusal: "cannot be a Knative Service",
  },
  { why: "hostIPC", spec: { containers: [server], hostIPC: true }, refusal: "leave it out" },
  {
    why: "an unknown protocol",
    spec: { containers: [server], protocolVersions: ["v3"] },
    refusal: "Unsupported value",
  },
  {
    why: "priority 0",
    spec: { containers: [server], supportedModelFormats: [{ name: "onnx", priority: 0 }] },
    refusal: "greater than or equal to 1",
  },
  { why: "an unknown field", spec: { containers: [server], extra: 1 }, refusal: "unknown field" },
];

describe("crds/servingruntime.yaml and crds/clusterservingruntime.yaml on a real API server", () => {
  let apiserver: Apiserver;
  let client: Kube;

  before(async () => {
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
    for (const name of ["servingruntime", "clusterservingruntime"]) {
      for (const definition of await readObjects(join(CRDS, `${name}.yaml`))) {
        await client.apply(CRD, definition);
      }
    }
    for (const kind of [SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME]) {
      await client.until(`${kind.plural} are served`, () =>
        client.list(kind, kind.namespaced ? "default" : ""),
      );
    }
  });

  after(async () => {
    await client?.close();
    await apiserver?.stop();
  });

  async function refusalOf(kind: Kind, spec: object): Promise<string | undefined> {
    const { apiVersion, kind: name } = kind;
    const body = { apiVersion, kind: name, metadata: { name: "row" }, spec };
    try {
      await client.http.json({
        method: "POST",
        path: collectionPath(kind, kind.namespaced ? "default" : undefined),
        query: { dryRun: "All", fieldValidation: "Strict" },
        body,
      });
      return undefined;
    } catch (error) {
      assert.ok(error instanceof ApiError);
      return error.message;
    }
  }

  for (const kind of [SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME]) {
    for (const { why, spec, refusal } of ROWS) {
      it(`${kind.kind} ${refusal === undefined ? "accepts" : "refuses"}: ${why}`, async () => {
        const found = await refusalOf(kind, spec);
        assert.ok(
          refusal === undefined ? found === undefined : found?.includes(refusal),
          `${found} has no "${refusal}"`,
        );
      });
    }

    it(`${kind.kind}'s definition is small`, async () => {
      const name = `${kind.plural}.pilotlight.dev`;
      const stored = await client.get<KubeObject>(CRD, "", name);
      assert.ok(JSON.stringify(stored).length < CRD_BYTES_MAX);
    });
  }

  it("the one for the cluster is the one for a namespace", async () => {
    const [one, other] = await Promise.all(
      ["servingruntime", "clusterservingruntime"].map((name) =>
        readFile(join(CRDS, `${name}.yaml`), "utf8"),
      ),
    );
    assert.equal(clusterScoped(one ?? ""), other);
    const versions = (text = ""): unknown =>
      (parse(text) as { spec: { versions: unknown } }).spec.versions;
    assert.deepEqual(versions(one), versions(other));
  });
});
