/** `pilotlight check --config`: against what was saved of a cluster. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse, stringify } from "yaml";
import { runCommand } from "../testing/terminal.ts";

const ISVC = join(import.meta.dirname, "../../../examples/iris/isvc.yaml");

function list(kind: string, items: readonly object[]): string {
  const whole = items.map((item) => ({ apiVersion: "v1", kind, ...item }));
  return stringify({ apiVersion: "v1", kind: "List", items: whole });
}

describe("pilotlight check --config", () => {
  let folder: string;
  let gpu: string;
  let captured: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "pilotlight-check-"));
    captured = mkdtempSync(join(folder, "captured-"));
    gpu = join(folder, "gpu.yaml");
    const isvc = {
      apiVersion: "pilotlight.dev/v1beta1",
      kind: "InferenceService",
      metadata: { name: "gpu" },
      spec: {
        predictor: {
          tolerations: [],
          accelerator: { type: "nvidia", count: 2 },
          containers: [{ name: "a", image: "example.com/a" }],
        },
      },
    };
    writeFileSync(gpu, stringify(isvc));
    const metadata = { namespace: "kn" };
    writeFileSync(
      join(captured, "knative.yaml"),
      list("ConfigMap", [
        { metadata: { ...metadata, name: "config-deployment" } },
        { metadata: { ...metadata, name: "config-defaults" }, data: {} },
      ]),
    );
    const allocatable = { cpu: "4", memory: "8Gi", "nvidia.com/gpu": "1" };
    writeFileSync(
      join(captured, "nodes.json"),
      JSON.stringify(parse(list("Node", [{ metadata: { name: "a" }, status: { allocatable } }]))),
    );
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it("says warnings of the configuration and of the nodes, and is content", async () => {
    const ran = await runCommand("check", "-f", gpu, "--config", captured);
    const patch = `kubectl patch configmap config-deployment -n kn --type merge -p '{"data":{"pod-is-always-schedulable":"true"}}'`;
    assert.deepEqual(ran, {
      code: 0,
      err: "",
      out:
        `${gpu}:1:1: gpu: warning: NodesOnDemandUnsupported: spec.predictor needs nvidia.com/gpu: if such nodes are added on demand, ` +
        `Knative gives the revision up before one is there; to have it wait: ${patch}\n` +
        `${gpu}:1:1: gpu: warning: NoNodeOffers: spec.predictor: 0 of 1 node offer 2 of nvidia.com/gpu; the most is 1\n`,
    });
  });

  it("knows nothing of nodes that were not saved", async () => {
    const ran = await runCommand("check", "-f", gpu, "--config", join(captured, "knative.yaml"));
    assert.doesNotMatch(ran.out, /NoNodeOffers/);
  });

  it("a Secret that the service account in the manifests lists", async () => {
    const file = join(folder, "kserve.yaml");
    const kind = (each: string, more: object): string =>
      stringify({ apiVersion: "v1", kind: each, ...more });
    const isvc = {
      apiVersion: "serving.kserve.io/v1beta1",
      metadata: { name: "iris" },
      spec: { predictor: { serviceAccountName: "sa", onnx: { storageUri: "s3://models/iris/" } } },
    };
    const account = {
      metadata: { name: "sa" },
      secrets: [{ name: "store" }, { name: "elsewhere" }],
    };
    const annotations = { "serving.kserve.io/s3-cabundle": "/etc/ca.crt" };
    const documents = [
      kind("InferenceService", isvc),
      kind("ServiceAccount", account),
      kind("Secret", { metadata: { name: "store", annotations } }),
    ];
    writeFileSync(file, documents.join("---\n"));
    const ran = await runCommand("check", "-f", file, "--config", captured);
    assert.match(
      ran.out,
      /iris: warning: AnnotationIgnored: the annotation \S+\/s3-cabundle of the Secret store /,
    );
    assert.equal(ran.out.split("\n").length, 2, ran.out);
  });

  it("an obstacle is 1, and the whole an object for machines, with every InferenceService", async () => {
    const slow = join(folder, "slow.yaml");
    writeFileSync(slow, stringify({ ...slowIsvc, metadata: { name: "slow" } }));
    const args = [
      "check",
      "-f",
      slow,
      "-f",
      ISVC,
      "--config",
      captured,
      "-n",
      "team",
      "-o",
      "yaml",
    ];
    const ran = await runCommand(...args);
    assert.equal(ran.code, 1);
    const report = parse(ran.out) as {
      ok: boolean;
      inferenceServices: readonly { name: string; ok: boolean; findings: readonly object[] }[];
    };
    assert.equal(report.ok, false);
    const [first, second] = report.inferenceServices;
    const { findings, ...head } = first ?? { findings: [] };
    assert.deepEqual(head, { name: "slow", namespace: "team", where: `${slow}:1:1`, ok: false });
    assert.deepEqual(
      findings.map((finding) => ({ ...finding, message: "" })),
      [{ severity: "obstacle", reason: "TimeoutOverClusterMaximum", message: "" }],
    );
    assert.deepEqual(second?.findings, []);
  });
});

const slowIsvc = {
  apiVersion: "pilotlight.dev/v1beta1",
  kind: "InferenceService",
  spec: { predictor: { timeout: 900, containers: [{ name: "a", image: "example.com/a" }] } },
};
