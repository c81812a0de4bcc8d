/**
 * The main job on a whole cluster: applied, ready, asked, gone to zero, asked again, edited,
 * deleted.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import {
  INFERENCE_SERVICE,
  KNATIVE_REVISION,
  KNATIVE_SERVICE,
  POD,
} from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { condition } from "../../controller/observe/conditions.ts";
import { GRACE_MS, ok, ROOT, world, type World } from "./world.ts";

interface Prediction {
  readonly model_name: string;
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

const at = { namespace: "e2e-iris", name: "iris" };
const INFER = "/v2/models/iris/infer";

function label(prediction: Prediction): number | undefined {
  return prediction.outputs.find((output) => output.name === "label")?.data[0];
}

describe("iris, from kubectl apply to zero and back", () => {
  let w: World;
  let body: string;

  before(async () => {
    w = await world();
    await w.namespace(at.namespace);
    body = await readFile(join(ROOT, "examples/iris/request.json"), "utf8");
  });

  after(() => w.removeNamespace(at.namespace));

  it("kubectl apply -f examples/iris/isvc.yaml becomes Ready", async () => {
    await w.applyFile("examples/iris/isvc.yaml", at.namespace);
    await w.kubectl(
      "wait",
      "--for=condition=Ready",
      "isvc/iris",
      "-n",
      at.namespace,
      "--timeout=120s",
    );
    const table = await w.kubectl("get", "isvc", "-n", at.namespace);
    assert.match(
      table,
      /^NAME\s+READY\s+REASON\s+URL\s+REPLICAS\s+AGE\s+iris\s+True\s+(Serving|ScaledToZero)/,
    );
  });

  it("a request through Envoy answers the right class, in v2 and in v1", async () => {
    const prediction = ok<Prediction>(await w.post(at, INFER, body));
    assert.equal(prediction.model_name, "iris");
    assert.equal(label(prediction), 0, "the example's flower is a setosa");
    const virginica = { instances: [[6.9, 3.1, 5.4, 2.1]] };
    const v1 = ok<{ predictions: readonly { label: number }[] }>(
      await w.post(at, "/v1/models/iris:predict", virginica),
    );
    assert.equal(v1.predictions[0]?.label, 2);
  });

  it("without requests it goes to zero, and is still Ready", async () => {
    await w.untilPods(at, 0);
    const seen = await w.untilReason(at, "Ready", "ScaledToZero");
    assert.equal(condition(seen.status?.conditions, "Ready")?.status, "True");
    assert.equal(seen.status?.replicas, 0);
    assert.equal(seen.status?.modelStatus?.states?.activeModelState, "Loaded");
  });

  it("the next request answers from zero", async () => {
    const answer = await w.post(at, INFER, body);
    assert.equal(label(ok<Prediction>(answer)), 0);
    process.stdout.write(`      from zero to the answer: ${(answer.ms / 1000).toFixed(2)} s\n`);
  });

  it("a label on the InferenceService makes no revision, an edit of containerConcurrency one", async () => {
    const before = await w.revisions(at);
    await w.kubectl("label", "isvc", "iris", "team=a", "-n", at.namespace);
    await w.kubectl("annotate", "isvc", "iris", "example.com/note=b", "-n", at.namespace);
    const patch = JSON.stringify({ spec: { predictor: { containerConcurrency: 3 } } });
    await w.kubectl("patch", "isvc", "iris", "-n", at.namespace, "--type=merge", "-p", patch);
    await w.untilUp(at);
    const revisions = await w.revisions(at);
    assert.equal(revisions.length, before.length + 1);
    assert.equal(label(ok<Prediction>(await w.post(at, INFER, body))), 0);
  });

  it("delete leaves nothing", async () => {
    await w.kubectl("delete", "isvc", "iris", "-n", at.namespace);
    for (const kind of [KNATIVE_SERVICE, KNATIVE_REVISION, POD]) {
      await w.client.until(
        `no ${kind.plural} are left`,
        async () =>
          (await w.client.list<KubeObject>(kind, at.namespace)).length === 0 ? true : undefined,
        GRACE_MS,
      );
    }
    assert.deepEqual(await w.client.list<InferenceService>(INFERENCE_SERVICE, at.namespace), []);
  });
});
