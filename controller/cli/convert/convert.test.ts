import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { runCommand } from "../testing/terminal.ts";

const SKLEARN = `# The first model.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: sklearn-iris # stays
spec:
  predictor:
    sklearn:
      storageUri: s3://models/sklearn
`;

describe("pilotlight convert", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "pilotlight-convert-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  async function convert(text: string, ...flags: readonly string[]): ReturnType<typeof runCommand> {
    const file = join(folder, "m.yaml");
    writeFileSync(file, text);
    const ran = await runCommand("convert", "-f", file, ...flags);
    return { ...ran, err: ran.err.replaceAll(file, "m.yaml") };
  }

  it("changes apiVersion, keeps comments and what KServe does by default, and says so", async () => {
    const { code, out, err } = await convert(SKLEARN);
    assert.equal(code, 0, err);
    assert.equal(
      out,
      SKLEARN.replace("serving.kserve.io/v1beta1", "pilotlight.dev/v1beta1").concat(
        "    minReplicas: 1\n",
      ),
    );
    assert.deepEqual(err.trimEnd().split("\n"), [
      "pilotlight convert: m.yaml:2: InferenceService sklearn-iris: apiVersion: serving.kserve.io/v1beta1 → pilotlight.dev/v1beta1",
      "pilotlight convert: m.yaml:2: InferenceService sklearn-iris: spec.predictor.minReplicas is 1, as KServe has it by default; remove it, and the predictor goes to zero without requests",
    ]);
  });

  it("Kubeflow's group, which was KServe's before, is converted as well", async () => {
    const old = SKLEARN.replace("serving.kserve.io", "serving.kubeflow.org");
    const { code, out, err } = await convert(old);
    assert.equal(code, 0, err);
    assert.equal(out, (await convert(SKLEARN)).out);
    assert.match(err, /apiVersion: serving\.kubeflow\.org\/v1beta1 → pilotlight\.dev\/v1beta1/);
  });

  it("what is Pilotlight's already, or nobody's, passes as it is", async () => {
    const text = `apiVersion: pilotlight.dev/v1beta1
kind: InferenceService
metadata:
  name: a
---
apiVersion: v1
kind: Secret
metadata:
  name: b
`;
    assert.deepEqual(await convert(text), { code: 0, out: text, err: "" });
  });

  it("a live object loses what is not the manifest's, and its mode", async () => {
    const live = `apiVersion: v1
kind: List
items:
  - apiVersion: serving.kserve.io/v1beta1
    kind: InferenceService
    metadata:
      name: a
      uid: u
      resourceVersion: "1"
      finalizers: [inferenceservice.finalizers]
      annotations:
        serving.kserve.io/deploymentMode: Serverless
        serving.kserve.io/storageSecretName: keys
    spec:
      predictor:
        minReplicas: 0
        model: {modelFormat: {name: onnx}}
    status: {url: http://a}
`;
    const { code, out, err } = await convert(live, "-o", "json");
    assert.equal(code, 0, err);
    assert.deepEqual(JSON.parse(out), {
      apiVersion: "pilotlight.dev/v1beta1",
      kind: "InferenceService",
      metadata: { name: "a", annotations: { "pilotlight.dev/storage-secret": "keys" } },
      spec: { predictor: { minReplicas: 0, model: { modelFormat: { name: "onnx" } } } },
    });
    assert.match(
      err,
      /metadata\.uid, metadata\.resourceVersion, status, metadata\.finalizers: gone/,
    );
  });

  it("a service account's Secrets no longer count, and it says how the keys are named", async () => {
    const text = `apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: a
spec:
  predictor:
    serviceAccountName: models
    minReplicas: 0
    sklearn:
      storageUri: PLACE
`;
    const { err } = await convert(text.replace("PLACE", "s3://models/a"));
    assert.match(err, /the service account models lists are not looked for: .*storage-secret/);
    const claim = await convert(text.replace("PLACE", "pvc://models/a"));
    assert.doesNotMatch(claim.err, /service account/);
    const named = text.replace(
      "  name: a\n",
      "  name: a\n  annotations: {serving.kserve.io/storageSecretName: keys}\n",
    );
    const { err: said } = await convert(named.replace("PLACE", "s3://models/a"));
    assert.doesNotMatch(said, /service account/, "the Secret is named already");
  });

  it("runtimes change their group", async () => {
    const text = `apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata:
  name: a
spec:
  containers: []
`;
    const { out } = await convert(text);
    assert.equal(out, text.replace("serving.kserve.io", "pilotlight.dev"));
  });

  const mode = (word: string): string =>
    SKLEARN.replace(
      "metadata:",
      `metadata:\n  annotations: {serving.kserve.io/deploymentMode: ${word}}`,
    );
  const runtime = (field: string): string =>
    `apiVersion: serving.kserve.io/v1alpha1\nkind: ServingRuntime\nmetadata: {name: a}\nspec: {${field}}\n`;
  const refusals = [
    { why: "v1alpha2", text: SKLEARN.replace("v1beta1", "v1alpha2"), words: /move spec\.default/ },
    {
      why: "Kubeflow's v1alpha2",
      text: SKLEARN.replace("serving.kserve.io/v1beta1", "serving.kubeflow.org/v1alpha2"),
      words: /serving\.kubeflow\.org\/v1alpha2 is KServe's API of before v1beta1/,
    },
    { why: "RawDeployment", text: mode("RawDeployment"), words: /makes a plain Deployment/ },
    { why: "Standard", text: mode("Standard"), words: /makes a plain Deployment/ },
    { why: "ModelMesh", text: mode("ModelMesh"), words: /shares servers among models/ },
    { why: "multiModel", text: runtime("multiModel: true"), words: /a runtime of ModelMesh/ },
    { why: "an adapter", text: runtime("builtInAdapter: {}"), words: /belongs to ModelMesh/ },
    { why: "several nodes", text: runtime("workerSpec: {}"), words: /pods of one node/ },
    {
      why: "TrainedModel",
      text: SKLEARN.replace("InferenceService", "TrainedModel"),
      words: /an InferenceService of each model/,
    },
    {
      why: "InferenceGraph",
      text: SKLEARN.replace("InferenceService", "InferenceGraph"),
      words: /InferenceGraph has no counterpart/,
    },
  ];
  for (const { why, text, words } of refusals) {
    it(`${why} is refused with the way out, and nothing is printed`, async () => {
      const { code, out, err } = await convert(`${SKLEARN}---\n${text}`);
      assert.equal(code, 1);
      assert.equal(out, "");
      assert.match(err, words);
      assert.match(err, /m\.yaml:1\d: /, "the second document's line");
    });
  }

  describe("says what will become of it, and converts it all the same:", () => {
    const predictor = (spec: string): string =>
      SKLEARN.replace(/spec:[^]*/, `spec:\n  predictor: ${spec}\n`);
    const onnx = "model: {modelFormat: {name: onnx}, storageUri: s3://models/a}";
    const annotated = (annotation: string): string =>
      predictor(`{${onnx}}`).replace("metadata:", `metadata:\n  annotations: {${annotation}}`);
    const runtime = `---
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {name: mine}
spec:
  supportedModelFormats: [{name: onnx}]
  containers: [{name: kserve-container, image: me/server}]
`;
    const mine = predictor("{model: {runtime: mine, modelFormat: {name: onnx}}}");
    const rows: { why: string; text: string; says: RegExp | undefined }[] = [
      { why: "nothing speaks against it", text: SKLEARN, says: undefined },
      {
        why: "another autoscaler",
        text: annotated("serving.kserve.io/autoscalerClass: hpa"),
        says: /: will be refused: FieldNotSupported: .* serving\.kserve\.io\/autoscaler/,
      },
      {
        why: "a metric that wakes nobody",
        text: predictor(`{scaleMetric: cpu, ${onnx}}`),
        says: /: will be refused: InvalidAutoscaling: .* cannot wake a service from zero/,
      },
      {
        why: "an annotation without effect",
        text: annotated("serving.kserve.io/other: x"),
        says: /: warning: \w+: .*serving\.kserve\.io\/other/,
      },
      {
        why: "a field that is none",
        text: predictor(`{replicas: 2, ${onnx}}`),
        says: /: will be refused: spec\.predictor\.replicas is no known field/,
      },
      {
        why: "a runtime that only the cluster may know",
        text: mine,
        says: /: will be refused, unless the cluster has a runtime for it: RuntimeNotFound: .*"mine"/,
      },
      { why: "a runtime that stands beside it", text: mine + runtime, says: undefined },
    ];
    for (const { why, text, says } of rows) {
      it(why, async () => {
        const { code, out, err } = await convert(text);
        assert.equal(code, 0, err);
        const told = err.split("\n").filter((line) => /will be refused|: warning: /.test(line));
        assert.equal(told.length, says === undefined ? 0 : 1, err);
        const prefix = /^pilotlight convert: m\.yaml:2: InferenceService sklearn-iris: /;
        assert.ok(says === undefined || (says.test(err) && prefix.test(told[0] ?? "")), err);

        const file = join(folder, "converted.yaml");
        writeFileSync(file, out);
        const rendered = await runCommand("render", "-f", file);
        assert.equal(rendered.code === 0, !/will be refused/.test(err), rendered.err);
      });
    }

    it("of what is Pilotlight's already nothing", async () => {
      const ours = predictor(`{scaleMetric: cpu, ${onnx}}`).replace(
        "serving.kserve.io",
        "pilotlight.dev",
      );
      const { code, err } = await convert(ours);
      assert.deepEqual([code, err], [0, ""]);
    });
  });

  it("exit codes: 64 without a file, 65 for no YAML or no object, 66 for no file", async () => {
    assert.equal((await runCommand("convert")).code, 64);
    assert.equal((await convert("a: [")).code, 65);
    for (const text of ["", "# nothing\n", "---\n"]) {
      const nothing = await convert(text);
      assert.deepEqual([nothing.code, nothing.out], [65, ""], text);
      assert.match(nothing.err, /no object in m\.yaml/);
    }
    const list = await convert(`${SKLEARN}---\n- a\n`);
    assert.deepEqual([list.code, list.out], [65, ""]);
    assert.match(list.err, /m\.yaml:11: a manifest is a mapping/);
    assert.equal((await runCommand("convert", "-f", join(folder, "none.yaml"))).code, 66);
  });
});
