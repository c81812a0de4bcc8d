/** `pilotlight check` against a real API server, as the administrator and as somebody with few rights. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse, stringify } from "yaml";
import {
  CONFIG_MAP,
  INFERENCE_SERVICE,
  KNATIVE_SERVICE,
  NODE,
  SECRET,
  SERVICE_ACCOUNT,
} from "../../controller/api/kinds.ts";
import { kserveKind } from "../../controller/api/kserve.ts";
import type { KubeObject } from "../../controller/cluster.ts";
import { runCommand, type Ran } from "../../controller/cli/testing/terminal.ts";
import { ensureModuleSource } from "../../hack/go/build.ts";
import { SERVING_VERSION } from "../../hack/go/modules.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import { kserveDefinition } from "../support/kserve-definition.ts";
import { CRD, NAMESPACE, kube, readObjects, type Kube } from "../support/kube.ts";

const ROOT = join(import.meta.dirname, "../..");
const KSERVE_ISVC = kserveKind(INFERENCE_SERVICE);
const ISVC = join(ROOT, "examples/iris/isvc.yaml");

interface Report {
  readonly ok: boolean;
  readonly inferenceServices: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly ok: boolean;
    readonly findings: readonly { severity: string; reason: string; message: string }[];
  }[];
}

describe("pilotlight check on a real API server", function () {
  this.timeout(120_000);
  let apiserver: Apiserver;
  let client: Kube;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "pilotlight-check-"));
    apiserver = await startApiserver();
    client = kube(apiserver.kubeconfig);
  });

  after(async () => {
    await client.close();
    await apiserver.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const check = (file: string, ...args: readonly string[]): Promise<Ran> =>
    runCommand("check", "-f", file, "--kubeconfig", apiserver.kubeconfig, ...args);

  async function report(file: string, ...args: readonly string[]): Promise<Report> {
    return JSON.parse((await check(file, "-o", "json", ...args)).out) as Report;
  }

  const reasons = ({ inferenceServices }: Report): readonly string[] =>
    inferenceServices.flatMap(({ findings }) =>
      findings.map(({ severity, reason }) => `${severity} ${reason}`),
    );

  function manifest(name: string, predictor: string): string {
    const path = join(folder, `${name}.yaml`);
    const head = `apiVersion: pilotlight.dev/v1beta1\nkind: InferenceService\nmetadata: {name: ${name}}\n`;
    writeFileSync(path, `${head}spec:\n  predictor:\n    ${predictor}\n`);
    return path;
  }

  it("an empty cluster: neither Knative nor Pilotlight", async () => {
    const ran = await check(ISVC);
    assert.equal(ran.code, 1);
    assert.match(ran.out, /isvc\.yaml:\d+:1: default\/iris: obstacle: KnativeNotInstalled: /);
    assert.match(ran.out, /obstacle: PilotlightNotInstalled: /);
  });

  it("with both, and Knative's defaults, the example is ok", async () => {
    const serving = await ensureModuleSource("knative.dev/serving", SERVING_VERSION);
    const files = [
      join(ROOT, "crds/inferenceservice.yaml"),
      join(serving, "config/core/300-resources/service.yaml"),
    ];
    for (const file of files) {
      for (const definition of await readObjects(file)) {
        await client.apply(CRD, definition);
      }
    }
    for (const kind of [INFERENCE_SERVICE, KNATIVE_SERVICE]) {
      await client.until(`${kind.plural} are served`, () => client.list(kind, "default"));
    }
    const { apiVersion } = NAMESPACE;
    await client.apply(NAMESPACE, {
      apiVersion,
      kind: "Namespace",
      metadata: { name: "knative-serving" },
    });
    for (const name of ["config-features", "config-deployment", "config-network"]) {
      const metadata = { name, namespace: "knative-serving" };
      await client.apply(CONFIG_MAP, { apiVersion: "v1", kind: "ConfigMap", metadata });
    }
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "a" } };
    await client.apply(NODE, node);
    // The API server taints a new node until its kubelet is ready.
    await client.apply(NODE, { ...node, spec: { taints: [] } } as KubeObject);
    const allocatable = { cpu: "2", memory: "4Gi" };
    await client.apply(NODE, { ...node, status: { allocatable } } as KubeObject, "status");
    assert.deepEqual(await check(ISVC), {
      code: 0,
      out: `${ISVC}:3:1: default/iris: ok\n`,
      err: "",
    });
  });

  it("nothing is written", async () => {
    assert.deepEqual(await client.list(INFERENCE_SERVICE, "default"), []);
  });

  it("obstacles of the definition and of the preflight, and what no node offers", async () => {
    const gpu = manifest(
      "gpu",
      "{labels: {pilotlight.dev/own: x}, accelerator: {type: nvidia, product: NVIDIA-L4}, containers: [{name: a, image: example.com/a}]}",
    );
    const said = await report(gpu);
    assert.equal(said.ok, false);
    assert.deepEqual(reasons(said), [
      "obstacle ApiServerRefuses",
      "obstacle KnativeFeatureDisabled",
    ]);
    assert.match(
      said.inferenceServices[0]?.findings[0]?.message ?? "",
      /^InferenceService\.pilotlight\.dev "gpu" is invalid: spec\.predictor\.labels: Invalid value: /,
    );
    const plain = manifest(
      "plain",
      "{tolerations: [], accelerator: {type: amd}, containers: [{name: a, image: example.com/a}]}",
    );
    const warned = await report(plain);
    assert.equal(warned.ok, true);
    assert.deepEqual(reasons(warned), ["warning NodesOnDemandUnsupported", "warning NoNodeOffers"]);
    assert.equal(
      warned.inferenceServices[0]?.findings[1]?.message,
      "spec.predictor: 0 of 1 node offer amd.com/gpu",
    );
    assert.equal((await check(plain)).code, 0, "warnings are no obstacle");
  });

  it("a namespace that is not there", async () => {
    assert.deepEqual(reasons(await report(ISVC, "-n", "nowhere")), ["obstacle NamespaceNotFound"]);
  });

  it("the Secrets that the service account of a service of KServe's group lists", async () => {
    const text = kserveDefinition(readFileSync(join(ROOT, "crds/inferenceservice.yaml"), "utf8"));
    await client.apply(CRD, parse(text, { maxAliasCount: -1 }) as KubeObject);
    await client.until("KServe's kind is served", () => client.list(KSERVE_ISVC, "default"));
    const metadata = { name: "store", namespace: "default" };
    const annotations = { "serving.kserve.io/s3-verifyssl": "0" };
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { ...metadata, annotations } };
    await client.apply(SECRET, secret);
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata };
    await client.apply(SERVICE_ACCOUNT, { ...account, secrets: [{ name: "store" }] } as KubeObject);
    const isvc = {
      apiVersion: KSERVE_ISVC.apiVersion,
      kind: "InferenceService",
      metadata: { name: "iris" },
      spec: {
        predictor: {
          serviceAccountName: "store",
          model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris/" },
        },
      },
    };
    const path = join(folder, "kserve.yaml");
    writeFileSync(path, stringify(isvc));
    assert.deepEqual(reasons(await report(path)), ["warning AnnotationIgnored"]);

    // Whoever may not see the Secret knows nothing of what the controller may.
    const poor = await apiserver.userKubeconfig("poor");
    const ran = await runCommand("check", "-f", path, "--kubeconfig", poor);
    assert.doesNotMatch(ran.out, /AnnotationIgnored|SecretNotReadable/);

    const both = [isvc, account].map((each) => stringify(each)).join("---\n");
    writeFileSync(path, both);
    assert.deepEqual(reasons(await report(path)), [], "the manifest's account lists none");
  });

  it("somebody without rights is told what could not be asked, and what is not known refuses nothing", async () => {
    const poor = await apiserver.userKubeconfig("poor");
    const ran = await runCommand("check", "-f", ISVC, "--kubeconfig", poor);
    assert.equal(ran.code, 0, ran.out);
    assert.match(ran.out, /default\/iris: warning: NotValidated: .*cannot patch/);
  });

  it("faults of the connection have codes of their own", async () => {
    const rows = [
      { args: ["--kubeconfig", "/nowhere"], code: 66, err: /cannot read the kubeconfig/ },
      { args: ["--context", "other"], code: 64, err: /no context "other"; it has / },
    ];
    for (const { args, code, err } of rows) {
      const kubeconfig = args.includes("--kubeconfig")
        ? []
        : ["--kubeconfig", apiserver.kubeconfig];
      const ran = await runCommand("check", "-f", ISVC, ...kubeconfig, ...args);
      assert.equal(ran.code, code, ran.err);
      assert.match(ran.err, err);
    }
    await apiserver.kill();
    const gone = await check(ISVC);
    assert.equal(gone.code, 69, gone.err);
    assert.match(gone.err, /^pilotlight check: no answer from https:/);
    await apiserver.start();
  });
});
