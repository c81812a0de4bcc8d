import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { InferenceService, PredictorSpec } from "../../api/inferenceservice.gen.ts";
import { planService, serviceOfModel, type Facts, type ServicePlan } from "./plan.ts";

const facts: Facts = {
  cpus: 8,
  env: { GIVEN: "from here" },
  installation: "/home/me/pilotlight",
  fileExists: (file) => !file.startsWith("/opt/"),
};

function isvc(predictor: PredictorSpec, name = "iris"): InferenceService {
  const kind = "InferenceService";
  return { apiVersion: "pilotlight.dev/v1beta1", kind, metadata: { name }, spec: { predictor } };
}

const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris" } as const;

function plan(predictor: Partial<PredictorSpec>, given = facts): ServicePlan {
  const planned = planService(isvc({ model, ...predictor }), given);
  assert.ok("plan" in planned, JSON.stringify(planned));
  return planned.plan;
}

describe("planService", () => {
  it("resolves every default", () => {
    assert.deepEqual(plan({}), {
      name: "iris",
      namespace: "default",
      modelName: "iris",
      storageUri: "s3://models/iris",
      env: {},
      args: [],
      scale: { metric: "concurrency", target: 70, minReplicas: 0, maxReplicas: 8 },
      containerConcurrency: 0,
      timeoutSeconds: 300,
      startupTimeoutMs: 600_000,
      graceMs: 305_000,
    });
  });

  const scales: [predictor: Partial<PredictorSpec>, scale: Partial<ServicePlan["scale"]>][] = [
    [{ maxReplicas: 3 }, { maxReplicas: 3 }],
    [
      { minReplicas: 2, maxReplicas: 100 },
      { minReplicas: 2, maxReplicas: 8 },
    ],
    [{ minReplicas: 20 }, { minReplicas: 8, maxReplicas: 8 }],
    [{ scaleTarget: 10 }, { target: 7 }],
    [{ containerConcurrency: 10 }, { target: 7 }],
    [{ containerConcurrency: 10, scaleTarget: 20 }, { target: 7 }],
    [{ containerConcurrency: 20, scaleTarget: 10 }, { target: 7 }],
    [{ scaleMetric: "rps" }, { metric: "rps", target: 140 }],
    [{ scaleMetric: "rps", scaleTarget: 10, containerConcurrency: 1 }, { target: 7 }],
  ];
  for (const [predictor, scale] of scales) {
    it(`${JSON.stringify(predictor)} scales by ${JSON.stringify(scale)}`, () => {
      const actual = plan(predictor).scale;
      assert.deepEqual({ ...actual, ...scale }, actual);
    });
  }

  it("in KServe's group one process stays where nothing is said", () => {
    const kserve = { ...isvc({ model }), apiVersion: "serving.kserve.io/v1beta1" };
    const planned = planService(kserve, facts);
    assert.equal("plan" in planned && planned.plan.scale.minReplicas, 1);
  });

  const places: [storageUri: string, wanted: string][] = [
    ["/models/a b.onnx".replace(" ", ""), "file:///models/ab.onnx"],
    ["file:///models/a%20b.onnx", "file:///models/a%20b.onnx"],
    [
      "file:///opt/pilotlight/examples/iris/model",
      "file:///home/me/pilotlight/examples/iris/model",
    ],
    ["/opt/pilotlightning/model", "file:///opt/pilotlightning/model"],
    ["https://example.com/m.onnx", "https://example.com/m.onnx"],
    ["gs://bucket/iris", "gs://bucket/iris"],
    ["az://models/iris", "az://models/iris"],
    ["hf://org/name@v2/onnx", "hf://org/name@v2/onnx"],
    ["oci://registry:5000/models/iris@sha256:0", "oci://registry:5000/models/iris@sha256:0"],
  ];
  for (const [storageUri, wanted] of places) {
    it(`storageUri ${storageUri} is ${wanted}`, () => {
      assert.equal(plan({ model: { ...model, storageUri } }).storageUri, wanted);
    });
  }

  it("tells the predictor the model's task", () => {
    const { env } = plan({ model: { ...model, task: "fill-mask" } });
    assert.deepEqual(env, { MODEL_TASK: "fill-mask" });
  });

  it("tells it of a repository of many models, of batches and of a payload log", () => {
    const repository = { preload: ["iris"], memoryBudget: "2Gi", pollSeconds: 60 };
    const { env } = plan({
      model: { ...model, repository },
      batcher: { maxBatchSize: 8 },
      logger: { url: "http://sink" },
    });
    assert.deepEqual(env, {
      MODEL_REPOSITORY: "true",
      MODEL_PRELOAD: "iris",
      MODEL_MEMORY_BUDGET: "2147483648",
      STORAGE_POLL_SECONDS: "60",
      BATCH_SIZE_MAX: "8",
      LOGGER_URL: "http://sink",
    });
  });

  it("leaves /opt/pilotlight where it is when it is there", () => {
    const storageUri = "file:///opt/pilotlight/examples/iris/model";
    const inImage = { ...facts, fileExists: () => true };
    assert.equal(plan({ model: { ...model, storageUri } }, inImage).storageUri, storageUri);
  });

  it("takes literal values from the manifest and references from this environment", () => {
    const key = { name: "keys", key: "k" };
    const env = [
      { name: "LITERAL", value: "x" },
      { name: "EMPTY" },
      { name: "GIVEN", valueFrom: { secretKeyRef: key } },
      { name: "ABSENT", valueFrom: { configMapKeyRef: { ...key, optional: true } } },
    ];
    const planned = plan({ model: { ...model, env } });
    assert.deepEqual(planned.env, { LITERAL: "x", EMPTY: "", GIVEN: "from here" });
  });

  const cpus: [limit: number | string, threads: string | undefined][] = [
    [2, "2"],
    ["500m", "1"],
    ["2500m", "3"],
    ["1.5", "2"],
    ["1e3", undefined],
  ];
  for (const [cpu, threads] of cpus) {
    it(`limits.cpu ${cpu} gives ${threads} threads`, () => {
      const planned = plan({ model: { ...model, resources: { limits: { cpu } } } });
      assert.equal(planned.env["INTRA_OP_NUM_THREADS"], threads);
    });
  }

  it("says what is different here", () => {
    const planned = planService(
      isvc({
        minReplicas: 9,
        model: {
          ...model,
          storageUri: "/opt/nothing",
          resources: { limits: { "nvidia.com/gpu": 1, cpu: 1 } },
        },
      }),
      facts,
    );
    assert.deepEqual("notices" in planned && planned.notices, [
      "minReplicas 9 is 8 here: one a CPU",
      "/opt/nothing does not exist yet; it is looked for at each start",
      "nvidia.com/gpu is not handed out here: the model runs on the CPU",
    ]);
  });

  it("startupTimeout counts here as well, and an accelerator's device is told as one of resources", () => {
    const accelerator = { type: "amd" } as const;
    const planned = planService(isvc({ startupTimeout: 45, accelerator, model }), facts);
    assert.ok("plan" in planned);
    assert.equal(planned.plan.startupTimeoutMs, 45_000);
    const told = "amd.com/gpu is not handed out here: the model runs on the CPU";
    assert.ok(planned.notices.includes(told), planned.notices.join());
  });
});

describe("planService refuses", () => {
  const reference = { secretKeyRef: { name: "keys", key: "k" } };
  const container = { name: "server", image: "me/server" };
  const rows: { predictor: PredictorSpec; path: string; message: RegExp }[] = [
    { predictor: {}, path: "spec.predictor", message: /exactly one of/ },
    { predictor: { model, containers: [container] }, path: "spec.predictor", message: /exactly/ },
    {
      predictor: { containers: [container] },
      path: "spec.predictor.containers",
      message: /runs no containers: apply this manifest to a cluster with kubectl apply -f/,
    },
    {
      predictor: { model, minReplicas: 3, maxReplicas: 2 },
      path: "spec.predictor.minReplicas",
      message: /3 must not be greater than maxReplicas 2/,
    },
    {
      predictor: { model, scaleMetric: "cpu" },
      path: "spec.predictor.scaleMetric",
      message: /must be concurrency or rps/,
    },
    {
      predictor: { model: { ...model, modelFormat: { name: "sklearn" } } },
      path: "spec.predictor.model",
      message: /no runtime serves .*"sklearn"/,
    },
    {
      predictor: { model: { ...model, protocolVersion: "grpc-v2" } },
      path: "spec.predictor.model.protocolVersion",
      message: /serve speaks HTTP: remove "grpc-v2"/,
    },
    {
      predictor: { model: { modelFormat: { name: "onnx" } } },
      path: "spec.predictor.model",
      message: /storageUri is missing/,
    },
    ...[
      ["pvc://claim/path", /no.* here: name the folder/],
      ["http://host/x", /must be s3:/],
      ["gs:///x", /must be s3:/],
      ["s3://user:password@host/x", /must not carry a user name/],
      ["file:///models/../etc", /must not contain "\.\."/],
      ["models/iris", /must be s3:/],
    ].map(([storageUri, message]) => ({
      predictor: { model: { ...model, storageUri: String(storageUri) } },
      path: "spec.predictor.model.storageUri",
      message: message as RegExp,
    })),
    ...[
      [{ name: "PORT", value: "1" }, /must not set PORT/],
      [{ name: "STORAGE_URI", value: "x" }, /must not set STORAGE_URI/],
      [{ name: "A", value: "x", valueFrom: reference }, /only one of value and valueFrom/],
      [{ name: "A", valueFrom: {} }, /exactly one of secretKeyRef/],
      [{ name: "ABSENT", valueFrom: reference }, /Secret keys.* set it in the environment/],
    ].map(([entry, message]) => ({
      predictor: { model: { ...model, env: [entry as { name: string }] } },
      path: "spec.predictor.model.env.0",
      message: message as RegExp,
    })),
  ];
  for (const { predictor, path, message } of rows) {
    it(JSON.stringify(predictor), () => {
      const planned = planService(isvc(predictor), facts);
      assert.ok("faults" in planned);
      assert.deepEqual(
        planned.faults.map((fault) => fault.path.join(".")),
        [path],
      );
      assert.match(planned.faults[0]?.message ?? "", message);
    });
  }

  for (const name of ["Iris", "1iris", "iris-", "a".repeat(47)]) {
    it(`the name ${name}`, () => {
      assert.ok("faults" in planService(isvc({ model }, name), facts));
    });
  }
});

describe("serviceOfModel", () => {
  const names: [uri: string, name: string][] = [
    ["file:///models/Iris_v2.onnx", "iris-v2"],
    ["s3://bucket/some/folder/", "folder"],
    ["https://host/m.tar.gz", "m"],
    ["hf://org/all-MiniLM-L6-v2", "all-minilm-l6-v2"],
    ["oci://registry:5000/models/iris:v1", "iris-v1"],
    ["oci://registry/models/iris@sha256:0123", "iris-sha256-0123"],
    ["file:///2024-model.onnx", "model"],
    ["file:///123.onnx", "model"],
    [`file:///${"a".repeat(45)}-b.onnx`, "a".repeat(45)],
  ];
  for (const [uri, name] of names) {
    it(`${uri} is called ${name}, and can be planned`, () => {
      const service = serviceOfModel(uri);
      assert.equal(service.metadata.name, name);
      assert.ok("plan" in planService(service, facts));
    });
  }
});
