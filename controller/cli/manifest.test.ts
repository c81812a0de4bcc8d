import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { parseManifests } from "./manifest.ts";
import type { Schema } from "./schema.ts";

const crdFile = new URL("../../crds/inferenceservice.yaml", import.meta.url);
const crd = parse(readFileSync(crdFile, "utf8"), { maxAliasCount: -1 }) as {
  spec: { versions: [{ schema: { openAPIV3Schema: Schema } }] };
};
const schema = crd.spec.versions[0].schema.openAPIV3Schema;

const HEAD = "apiVersion: pilotlight.dev/v1beta1\nkind: InferenceService\nmetadata: {name: iris}\n";
const GOOD = `${HEAD}spec:
  predictor:
    scaleTarget: 8
    model:
      modelFormat: {name: onnx}
      storageUri: s3://models/iris
      resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 2}}
`;

function read(text: string): ReturnType<typeof parseManifests> {
  return parseManifests("isvc.yaml", text, schema);
}

describe("parseManifests", () => {
  it("reads the items of a List, each with its own place", () => {
    const item = (name: string, extra: string): string =>
      `- apiVersion: pilotlight.dev/v1beta1\n  kind: InferenceService\n  metadata: {name: ${name}}\n` +
      `  spec: {predictor: {${extra}model: {modelFormat: {name: onnx}}}}\n`;
    const text = `apiVersion: v1\nkind: List\nitems:\n${item("a", "")}${item("b", "")}${item("c", "minReplicas: x, ")}`;
    const { manifests, faults } = read(text);
    assert.deepEqual(
      manifests.map(({ isvc }) => isvc.metadata.name),
      ["a", "b"],
    );
    assert.deepEqual(faults, [
      'isvc.yaml:15:35: spec.predictor.minReplicas must be a whole number, not "x"',
    ]);
  });

  it("reads several documents, passes over what is for a cluster, and knows where a field stands", () => {
    const { manifests, notices, faults } = read(
      `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\n${GOOD}---\n---\n${GOOD.replace("iris}", "two}")}`,
    );
    assert.deepEqual(faults, []);
    assert.deepEqual(
      manifests.map(({ isvc }) => isvc.metadata.name),
      ["iris", "two"],
    );
    assert.deepEqual(notices, ["isvc.yaml:1:1: Secret is for a cluster; it is passed over here"]);
    assert.equal(manifests[0]?.where(["spec", "predictor", "scaleTarget"]), "isvc.yaml:10:18");
    assert.equal(manifests[0]?.where(["spec", "predictor", "timeout"]), "isvc.yaml:9:3");
  });

  it("reads KServe's version, with one notice", () => {
    const { manifests, notices, faults } = read(
      GOOD.replace("pilotlight.dev/v1beta1", "serving.kserve.io/v1beta1"),
    );
    assert.deepEqual(faults, []);
    assert.equal(manifests.length, 1);
    assert.equal(notices.length, 1);
    assert.match(notices[0] ?? "", /^isvc\.yaml:1:13: serving\.kserve\.io\/v1beta1 is read by/);
  });

  const rows: { why: string; text: string; faults: string[] }[] = [
    {
      why: "a field that does not exist, near one that does",
      text: GOOD.replace("scaleTarget", "scaleTargt"),
      faults: [
        "isvc.yaml:6:5: spec.predictor.scaleTargt is no known field; did you mean scaleTarget?",
      ],
    },
    {
      why: "a field that does not exist, like nothing",
      text: GOOD.replace("{name: onnx}", "{name: onnx, opset: 17}"),
      faults: [
        "isvc.yaml:8:33: spec.predictor.model.modelFormat.opset is no known field; known here: name, version",
      ],
    },
    {
      why: "values of the wrong type or out of bounds, all at once",
      text: `${HEAD}spec:\n  predictor:\n    minReplicas: two\n    timeout: 0\n    scaleMetric: qps\n    model: {modelFormat: {name: onnx}, args: --x}\n`,
      faults: [
        'isvc.yaml:6:18: spec.predictor.minReplicas must be a whole number, not "two"',
        "isvc.yaml:7:14: spec.predictor.timeout must be from 1 to 86400, not 0",
        'isvc.yaml:8:18: spec.predictor.scaleMetric must be one of concurrency, rps, cpu, memory, not "qps"',
        'isvc.yaml:9:46: spec.predictor.model.args must be a list, not "--x"',
      ],
    },
    {
      why: "what must be there and is not",
      text: `${HEAD}spec:\n  predictor:\n    model: {}\n`,
      faults: ["isvc.yaml:6:5: spec.predictor.model.modelFormat is missing"],
    },
    {
      why: "an entry of a list",
      text: `${GOOD}      env:\n        - {name: A, value: "1"}\n        - {name: B, value: 1}\n`,
      faults: ["isvc.yaml:13:28: spec.predictor.model.env[1].value must be a string, not 1"],
    },
    {
      why: "a list that begins where no field is",
      text: `${GOOD}      env: [{value: x}]\n`,
      faults: ["isvc.yaml:11:13: spec.predictor.model.env[0].name is missing"],
    },
    {
      why: "an empty field",
      text: `${HEAD}spec:\n  predictor:\n`,
      faults: ["isvc.yaml:5:13: spec.predictor must be a mapping, not empty"],
    },
    {
      why: "another version",
      text: GOOD.replace("v1beta1", "v1"),
      faults: ["isvc.yaml:1:13: apiVersion must be pilotlight.dev/v1beta1, not pilotlight.dev/v1"],
    },
    {
      why: "no name",
      text: GOOD.replace("{name: iris}", "{}"),
      faults: ["isvc.yaml:3:1: metadata.name is missing"],
    },
    {
      why: "a name that the definition would refuse",
      text: GOOD.replace("{name: iris}", "{name: iris.v1}"),
      faults: [
        'isvc.yaml:3:18: metadata.name "iris.v1" must start with a letter and consist of lower-case letters, digits and "-"',
      ],
    },
    {
      why: "labels and annotations that are no texts",
      text: GOOD.replace("{name: iris}", "{name: iris, labels: {tier: 1}, annotations: [a]}"),
      faults: [
        "isvc.yaml:3:39: metadata.labels.tier must be a string, not 1: put it in quotes",
        "isvc.yaml:3:43: metadata.annotations must be a mapping",
      ],
    },
    {
      why: "a word that every object knows, for a field",
      text: GOOD.replace("{name: onnx}", "{name: onnx, toString: 17}"),
      faults: [
        "isvc.yaml:8:33: spec.predictor.model.modelFormat.toString is no known field; known here: name, version",
      ],
    },
    {
      why: "what must not be empty, and what is no quantity",
      text: `${HEAD}spec:\n  predictor:\n    containers: []\n    rollout: {steps: [{percent: 10, duration: 1m}], gate: {}}\n    model: {modelFormat: {name: onnx}, resources: {limits: {memory: lots, cpu: 0.5}}}\n`,
      faults: [
        "isvc.yaml:6:5: spec.predictor.containers must not be empty",
        "isvc.yaml:7:53: spec.predictor.rollout.gate must not be empty",
        'isvc.yaml:8:69: spec.predictor.model.resources.limits.memory must be a quantity such as 2 or "500m", not "lots"',
        'isvc.yaml:8:80: spec.predictor.model.resources.limits.cpu must be a quantity such as 2 or "500m", not 0.5',
      ],
    },
    {
      why: "broken YAML",
      text: "kind: [InferenceService\nspec: x\n",
      faults: [
        "isvc.yaml:2:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
      ],
    },
    {
      why: "no manifest",
      text: "- 1\n",
      faults: ["isvc.yaml:1:1: a manifest is a mapping with apiVersion, kind, metadata and spec"],
    },
    { why: "nothing", text: "", faults: ["isvc.yaml: no InferenceService in it"] },
  ];
  for (const { why, text, faults } of rows) {
    it(`places ${why}`, () => {
      assert.deepEqual(read(text).faults, faults);
    });
  }
});
