/**
 * Requests that do not go straight to a predictor of ours by HTTP and JSON: through a transformer,
 * by gRPC, as an event, to a container of the user's own. Knative Eventing is not on this cluster:
 * an event is sent as a broker sends it, and what comes back is read as it would.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import type { InferenceService, PredictorSpec } from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { writeNodeImage } from "../../hack/cluster/node-image.ts";
import { GrpcTestClient } from "../../predictor/grpc/testing/client.ts";
import { ok, ROOT, routeHost, world, type World } from "./world.ts";

const namespace = "e2e-traffic";
const TRANSFORMER = "dev.local/pilotlight-transformer:1";
const OUTLIERS = "dev.local/pilotlight-outliers:1";
const EXAMPLE = join(ROOT, "examples/custom-container");
const GRPC_MS = 60_000;
const GATE_MS = 120_000;

/** A setosa and a versicolor, in centimetres as the model takes them, and in millimetres. */
const FLOWERS = [
  [5.1, 3.5, 1.4, 0.2],
  [6.0, 2.7, 4.1, 1.0],
];
const LABELS = [0, 1];
const MILLIMETRES = { instances: FLOWERS.map((row) => row.map((cm) => Math.round(cm * 10))) };

const flowers = { namespace, name: "flowers" };
const beside = { namespace, name: "beside" };
const byGrpc = { namespace, name: "by-grpc" };
const outliers = { namespace, name: "outliers" };

const resources = { requests: { cpu: "10m", memory: "64Mi" } };
const model = {
  modelFormat: { name: "onnx" },
  storageUri: "file:///opt/pilotlight/examples/iris/model",
  resources,
};

/** The transformer's container, with what its spec does not say added by the controller. */
function transformer(name: string, args: readonly string[] = []): object {
  const readinessProbe = { httpGet: { path: "/v2/health/ready" } };
  return { name, image: TRANSFORMER, args, readinessProbe, resources };
}

function isvc(name: string, spec: object): KubeObject {
  const { apiVersion, kind } = INFERENCE_SERVICE;
  return { apiVersion, kind, metadata: { name }, spec } as KubeObject;
}

interface Predictions {
  readonly predictions: readonly { readonly label: number }[];
  /** What the transformer asked. */
  readonly asked?: string;
}

function labels({ predictions }: Predictions): readonly number[] {
  return predictions.map(({ label }) => label);
}

/** Where clients are told to ask. */
function entry({ status }: InferenceService): string {
  return new URL(status?.url ?? "").host;
}

describe("requests that go other ways", () => {
  let w: World;

  async function makeImages(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "traffic-"));
    try {
      for (const image of [
        { tag: TRANSFORMER, script: join(import.meta.dirname, "transformer-server.cjs") },
        { tag: OUTLIERS, script: join(EXAMPLE, "server.ts") },
      ]) {
        const tar = join(folder, "image.tar");
        await writeNodeImage(image, tar);
        await w.cluster.importImage(tar);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Has Knative count requests, by the command of docs/rollouts.md. */
  async function countRequests(): Promise<void> {
    const text = await readFile(join(ROOT, "docs/rollouts.md"), "utf8");
    const command = /`(kubectl patch configmap config-observability [^`]+)`/.exec(text)?.[1];
    assert.ok(command !== undefined);
    await w.cluster.exec("sh", ["-c", command]);
  }

  /** examples/custom-container, from an image that no registry has. */
  async function ownContainer(): Promise<PredictorSpec> {
    const manifest = parse(await readFile(join(EXAMPLE, "isvc.yaml"), "utf8")) as InferenceService;
    const { containers: [server] = [], ...predictor } = manifest.spec.predictor;
    assert.ok(server !== undefined);
    return { ...predictor, containers: [{ ...server, image: OUTLIERS }] };
  }

  async function scores(): Promise<readonly number[]> {
    const request = await readFile(join(EXAMPLE, "request.json"), "utf8");
    const answer = ok<{ outputs: readonly [{ data: readonly number[] }] }>(
      await w.post(outliers, "/v2/models/outliers/infer", request),
    );
    return answer.outputs[0].data;
  }

  before(async () => {
    w = await world();
    await w.namespace(namespace);
    // Before there are pods, which would be replaced.
    await countRequests();
    await makeImages();
    const health = ["--enable_predictor_health_check"];
    // All at once: they start side by side.
    for (const object of [
      isvc(flowers.name, {
        predictor: { model },
        transformer: { containers: [transformer("server")] },
      }),
      isvc(beside.name, {
        predictor: { model, containers: [transformer("transformer-container", health)] },
      }),
      isvc(byGrpc.name, { predictor: { model: { ...model, protocolVersion: "grpc-v2" } } }),
      isvc(outliers.name, { predictor: await ownContainer() }),
    ]) {
      await w.apply(namespace, object);
    }
  });

  after(async () => {
    await w.removeNamespace(namespace);
    await w.configure("config-observability", { "request-metrics-protocol": null });
  });

  const predict = async (host: string, name: string): Promise<Predictions> =>
    ok<Predictions>(await w.ask({ host, path: `/v1/models/${name}:predict`, body: MILLIMETRES }));

  it("a transformer takes them, and asks the predictor by the host that it is told", async () => {
    const up = await w.untilUp(flowers);
    assert.equal(condition(up.status?.conditions, "TransformerReady")?.status, "True");
    assert.equal(entry(up), `flowers-transformer.${namespace}.example.com`);
    const answer = await predict(entry(up), flowers.name);
    assert.deepEqual(labels(answer), LABELS);
    assert.equal(answer.asked, `flowers-predictor.${namespace}`);
  });

  it("a transformer in the predictor's pod asks it there", async () => {
    const up = await w.untilUp(beside);
    assert.equal(entry(up), routeHost(beside));
    const answer = await predict(entry(up), beside.name);
    assert.deepEqual(labels(answer), LABELS);
    assert.equal(answer.asked, "localhost:8085");
    // A pod that idled to its end may still be leaving beside the one that answered.
    const pods = await w.pods(beside);
    assert.notEqual(pods.length, 0);
    for (const { spec } of pods) {
      const names = spec.containers.map(({ name }) => name).sort();
      assert.deepEqual(names, ["predictor", "queue-proxy", "transformer-container"]);
    }
  });

  it("gRPC: ModelInfer through Envoy, activator and queue-proxy", async () => {
    await w.untilUp(byGrpc);
    const { host, port } = w.cluster.ingress;
    using client = new GrpcTestClient(`${host}:${port}`, {
      "grpc.default_authority": routeHost(byGrpc),
    });
    const input = { name: "input", datatype: "FP32", shape: [FLOWERS.length, 4] };
    const request = {
      model_name: byGrpc.name,
      inputs: [{ ...input, contents: { fp32_contents: FLOWERS.flat() } }],
      outputs: [{ name: "label" }],
    };
    const deadline = Date.now() + GRPC_MS;
    const { code, details, message } = await client.call("ModelInfer", request, { deadline });
    assert.equal(code, 0, details);
    const [bytes] = message["raw_output_contents"] as readonly Buffer[];
    assert.deepEqual(
      LABELS.map((_, at) => bytes?.readBigInt64LE(8 * at)),
      LABELS.map(BigInt),
    );
  });

  it("an event in headers is answered by an event", async () => {
    await w.untilUp(flowers);
    const { status, headers, body } = await w.ask({
      host: routeHost(flowers),
      path: "/",
      body: { instances: FLOWERS },
      headers: {
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-source": "/greenhouse",
        "ce-type": "flower.measured",
      },
    });
    assert.equal(status, 200, body);
    assert.deepEqual(labels(JSON.parse(body) as Predictions), LABELS);
    assert.equal(headers["ce-specversion"], "1.0");
    assert.equal(headers["ce-type"], "io.kserve.inference.response");
    assert.equal(headers["ce-source"], `io.kserve.inference.${flowers.name}`);
    assert.equal(headers["ce-requestid"], "e-1");
    assert.notEqual(headers["ce-id"] ?? "e-1", "e-1");
  });

  it("the container of examples/custom-container finds the odd one out", async () => {
    await w.untilUp(outliers);
    const found = await scores();
    assert.ok((found.at(-1) ?? 0) > 2, found.join(" "));
    assert.ok(
      found.slice(0, -1).every((score) => score < 1),
      found.join(" "),
    );
  });

  it("a gate goes by Knative's count of a server that has none", async () => {
    const { containers: [server] = [], ...predictor } = await ownContainer();
    const containers = [{ ...server, env: [{ name: "EDITION", value: "second" }] }];
    const gate = { maxErrorRatio: 0.1, minRequests: 10 };
    const rollout = { steps: [{ percent: 50, duration: "1s" }], gate };
    await w.apply(
      namespace,
      isvc(outliers.name, { predictor: { ...predictor, containers, rollout } }),
    );
    const promoted = await w.client.until(
      "the second edition is promoted",
      async () => {
        await scores();
        const found = await w.isvc(namespace, outliers.name);
        const seen = condition(found?.status?.conditions, "RolloutComplete");
        if (seen?.reason === "Promoted") {
          return found;
        }
        throw new Error(JSON.stringify(seen));
      },
      GATE_MS,
    );
    assert.equal(promoted.status?.rollout?.revision, "outliers-predictor-00002");
  });

  it("from zero, a request to the transformer starts both", async () => {
    await w.untilPods(flowers, 0);
    const answer = await predict(`flowers-transformer.${namespace}.example.com`, flowers.name);
    assert.deepEqual(labels(answer), LABELS);
    assert.equal((await w.pods(flowers)).length, 2);
  });
});
