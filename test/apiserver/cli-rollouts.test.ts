/** status, history and rollback against a real API server; what Knative would say is written. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "mocha";
import type { InferenceService } from "../../controller/api/inferenceservice.gen.ts";
import { INFERENCE_SERVICE, KNATIVE_REVISION } from "../../controller/api/kinds.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { type Ran, runCommand } from "../../controller/cli/testing/terminal.ts";
import { ensureModuleSource } from "../../hack/go/build.ts";
import { SERVING_VERSION } from "../../hack/go/modules.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { CRD, kube, readObjects, type Kube } from "../support/kube.ts";

const ROOT = join(import.meta.dirname, "../..");
const PINNED = "pilotlight.dev/stable-revision";
const { apiVersion, kind } = INFERENCE_SERVICE;
const metadata = { name: "iris", namespace: "default" };

function revision(number: number, component = "predictor"): KubeObject {
  const name = `iris-${component}-0000${number}`;
  const labels = {
    "pilotlight.dev/inferenceservice": "iris",
    "pilotlight.dev/component": component,
  };
  const of = { apiVersion: KNATIVE_REVISION.apiVersion, kind: KNATIVE_REVISION.kind };
  const spec = { containers: [{ image: "a" }] };
  return { ...of, metadata: { ...metadata, name, labels }, spec } as KubeObject;
}

const STATUS = {
  observedGeneration: 1,
  url: "http://iris-predictor.default.example.com",
  conditions: [{ type: "Ready", status: "True", reason: "Serving", message: "revision 3 serves" }],
  components: {
    predictor: {
      latestCreatedRevision: "iris-predictor-00003",
      latestRolledoutRevision: "iris-predictor-00003",
      previousRolledoutRevision: "iris-predictor-00002",
      traffic: [{ revisionName: "iris-predictor-00003", latestRevision: true, percent: 100 }],
    },
  },
  rollout: { phase: "Promoted", revision: "iris-predictor-00003", message: "has taken over" },
  history: [
    {
      revision: "iris-predictor-00003",
      generation: 3,
      storageUri: "s3://models/three/",
      appliedBy: "argocd-controller",
      outcome: "Promoted",
      servingFrom: "2026-11-22T12:00:00Z",
    },
    { revision: "iris-predictor-00002", outcome: "Superseded" },
  ],
};

describe("pilotlight status, history and rollback", () => {
  let apiserver: Apiserver;
  let client: Kube;
  const run = (...args: readonly string[]): Promise<Ran> =>
    runCommand(...args, "--kubeconfig", apiserver.kubeconfig, "-n", "default");
  const read = async (): Promise<InferenceService> => {
    const found = await client.get<InferenceService>(INFERENCE_SERVICE, "default", "iris");
    return found ?? assert.fail("it is there");
  };
  const say = (status: object): Promise<unknown> =>
    client.apply(INFERENCE_SERVICE, { apiVersion, kind, metadata, status } as KubeObject, "status");

  before(async () => {
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
    const knative = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
    const files = [
      join(ROOT, "crds/inferenceservice.yaml"),
      join(knative, "config/core/300-resources/revision.yaml"),
    ];
    for (const definition of (await Promise.all(files.map(readObjects))).flat()) {
      await client.apply(CRD, definition);
    }
    for (const served of [INFERENCE_SERVICE, KNATIVE_REVISION]) {
      await client.until(`${served.plural} are served`, () => client.list(served, "default"));
    }
    for (const number of [1, 2, 3]) {
      await client.apply(KNATIVE_REVISION, revision(number));
    }
    await client.apply(KNATIVE_REVISION, revision(1, "explainer"));
  });

  beforeEach(async () => {
    await client.remove(INFERENCE_SERVICE, "default", "iris");
    const model = { modelFormat: { name: "onnx" }, storageUri: "s3://models/three/" };
    const spec = { predictor: { model } };
    await client.apply(INFERENCE_SERVICE, { apiVersion, kind, metadata, spec } as KubeObject);
    await say(STATUS);
  });

  after(async () => {
    await client.close();
    await apiserver.stop();
  });

  it("status: ready is 0, everything is said, -o json is the status", async () => {
    const text = await run("status", "iris");
    assert.equal(text.code, 0, text.err);
    for (const words of [
      /^default\/iris {3}http:\/\/iris-predictor\.default\.example\.com$/m,
      /^Ready +True +Serving +revision 3 serves$/m,
      /^predictor +iris-predictor-00003 +100 % +- +stable, newest$/m,
      /^rollout of iris-predictor-00003: Promoted: has taken over$/m,
      /^no pods/m,
    ]) {
      assert.match(text.out, words);
    }
    const json = await run("status", "iris", "-o", "json");
    assert.equal((JSON.parse(json.out) as typeof STATUS).url, STATUS.url);
  });

  it("status: what is not ready, or was not looked at since it changed, is 1", async () => {
    await say({ ...STATUS, observedGeneration: 0 });
    assert.equal((await run("status", "iris")).code, 1);
    await say({ ...STATUS, conditions: [{ type: "Ready", status: "False" }] });
    assert.equal((await run("status", "iris")).code, 1);
    const nobody = await run("status", "nobody");
    assert.equal(nobody.code, 1);
    assert.match(nobody.err, /there is no InferenceService nobody in default/);
    assert.equal((await run("status")).code, 64);
  });

  it("history: a row for each revision, newest first; -o yaml is the list", async () => {
    const { code, out } = await run("history", "iris");
    assert.equal(code, 0);
    const [head, first, second] = out.split("\n");
    assert.match(head ?? "", /^REVISION +GENERATION +OUTCOME +APPLIED BY/);
    assert.match(
      first ?? "",
      /00003 +3 +Promoted +argocd-controller .* 2026-11-22T12:00:00Z – now/,
    );
    assert.match(second ?? "", /00002 +- +Superseded/);
    assert.match(
      (await run("history", "iris", "-o", "yaml")).out,
      /^  revision: iris-predictor-00003$/m,
    );
  });

  it("rollback: canaryTrafficPercent 0 by the field manager pilotlight-cli, and says where to", async () => {
    const { code, out, err } = await run("rollback", "iris");
    assert.equal(code, 0, err);
    assert.equal(out, "iris: everything goes to iris-predictor-00002\n");
    assert.match(err, /GitOps/);
    const found = await read();
    assert.equal(found.spec.predictor.canaryTrafficPercent, 0);
    const managers = JSON.stringify(found.metadata.managedFields);
    assert.match(managers, /"manager":"pilotlight-cli"/);
  });

  it("rollback during a canary leads to the stable revision", async () => {
    const predictor = {
      ...STATUS.components.predictor,
      latestRolledoutRevision: "iris-predictor-00001",
    };
    await say({ ...STATUS, components: { predictor } });
    assert.match((await run("rollback", "iris")).out, /to iris-predictor-00001/);
  });

  it("rollback --to: any revision that exists; a plain rollback forgets it", async () => {
    assert.equal((await run("rollback", "iris", "--to", "iris-predictor-00001")).code, 0);
    assert.equal((await read()).metadata.annotations?.[PINNED], "iris-predictor-00001");
    assert.equal((await run("rollback", "iris")).code, 0);
    assert.equal((await read()).metadata.annotations?.[PINNED], undefined);
  });

  it("rollback changes nothing when there is nowhere to go", async () => {
    const gone = await run("rollback", "iris", "--to", "iris-predictor-00009");
    assert.equal(gone.code, 1);
    assert.match(gone.err, /has no revision iris-predictor-00009/);
    const others = await run("rollback", "iris", "--to", "iris-explainer-00001");
    assert.equal(others.code, 1);
    assert.match(others.err, /iris-explainer-00001 is the explainer's/);
    await say({ observedGeneration: 1 });
    const first = await run("rollback", "iris");
    assert.equal(first.code, 1);
    assert.match(first.err, /no revision of iris served before/);
    assert.equal((await read()).spec.predictor.canaryTrafficPercent, undefined);
  });
});
