import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { FRAMEWORKS } from "../../controller/desired/framework.ts";
import { callKube, expectKube } from "../../hack/cluster/kube-request.ts";
import { waitFor } from "../../hack/cluster/wait.ts";
import { ensureBinary } from "../../hack/go/build.ts";
import { runCommand } from "../../hack/go/command.ts";
import { startApiserver, type Apiserver } from "../support/apiserver.ts";
import {
  boundRows,
  filledPaths,
  propertyPaths,
  withValue,
  type BoundRow,
  type Schema,
} from "./crd-bounds.ts";
import { EXAMPLES, MODEL_EXAMPLE, RULE_ROWS } from "./crd-rows.ts";

const CRD = join(import.meta.dirname, "../../crds/inferenceservice.yaml");
const CRD_BYTES_MAX = 200_000;
const PATH = "/apis/pilotlight.dev/v1beta1/namespaces/default/inferenceservices";

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

interface Golden {
  readonly status: unknown;
}

/**
 * Values that the enum names in order to be refused by a rule with a better sentence, or that do
 * not go with the rest of the example (a topology).
 */
const REFUSED_BY_RULE = new Set(["cpu", "memory", "nvidia", "aws-neuron", "amd", "gaudi"]);

describe("crds/inferenceservice.yaml on a real API server", function () {
  this.timeout(120_000);
  let apiserver: Apiserver;
  let definition: Definition;
  let schema: Schema;

  before(async () => {
    definition = parse(await readFile(CRD, "utf8"), { maxAliasCount: -1 }) as Definition;
    schema = definition.spec.versions[0]?.schema.openAPIV3Schema ?? {};
    apiserver = await startApiserver();
    await kubectl("apply", "--server-side", "-f", CRD);
    // Discovery and OpenAPI follow a moment after the definition is established.
    await waitFor("the kind is discovered and explained", isServed, { timeoutMs: 90_000 });
  });

  after(async () => {
    await apiserver.stop();
  });

  async function isServed(): Promise<true | undefined> {
    const path = "/openapi/v3/apis/pilotlight.dev/v1beta1";
    const explained = await callKube(apiserver.endpoint, { path });
    const found = await kubectl("api-resources", "--api-group=pilotlight.dev", "--cached=false");
    return explained.status === 200 && found.includes("isvc") ? true : undefined;
  }

  async function kubectl(...args: readonly string[]): Promise<string> {
    const KUBECACHEDIR = join(dirname(apiserver.kubeconfig), "kubectl-cache");
    const env = { ...process.env, KUBECONFIG: apiserver.kubeconfig, KUBECACHEDIR };
    return (await runCommand(await ensureBinary("kubectl"), args, { env })).stdout;
  }

  /** The API server's sentence when it refuses to create the object, undefined when it would. */
  async function refusalOf(spec: unknown, name = "row"): Promise<string | undefined> {
    const answer = await callKube(apiserver.endpoint, {
      method: "POST",
      path: `${PATH}?dryRun=All&fieldValidation=Strict`,
      body: {
        apiVersion: "pilotlight.dev/v1beta1",
        kind: "InferenceService",
        metadata: { name },
        spec,
      },
    });
    if (answer.status === 201) {
      return undefined;
    }
    assert.ok([400, 422].includes(answer.status), `${answer.status}: ${answer.body}`);
    return (JSON.parse(answer.body) as { message: string }).message;
  }

  for (const { name, predictor, refusal, why } of RULE_ROWS) {
    it(`${refusal === undefined ? "accepts" : "refuses"}: ${why}`, async () => {
      const found = await refusalOf({ predictor }, name);
      if (refusal === undefined) {
        assert.equal(found, undefined);
      } else {
        assert.ok(found?.includes(refusal), `${found} has no "${refusal}"`);
      }
    });
  }

  it("has a refusing row for each of its rules", () => {
    const refusals = RULE_ROWS.flatMap(({ refusal }) => refusal ?? []);
    const untested = messages(schema).filter(
      (message) => !refusals.some((refusal) => message.includes(refusal)),
    );
    assert.deepEqual(untested, []);
  });

  it("says cpu's refusal at the field itself", async () => {
    const found = await refusalOf(withValue(MODEL_EXAMPLE, ["predictor", "scaleMetric"], "cpu"));
    assert.match(found ?? "", /spec\.predictor\.scaleMetric: Invalid value/);
  });

  it("holds every bound, from inside and from outside", async () => {
    const specSchema = schema.properties?.["spec"] ?? {};
    const wrong: string[] = [];
    for (const example of EXAMPLES) {
      assert.equal(await refusalOf(example), undefined, "the example itself");
      for (const row of boundRows(specSchema, example)) {
        const problem = judge(row, await refusalOf(withValue(example, row.path, row.value)));
        wrong.push(...problem);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it("was asked about every field of the spec", () => {
    const specSchema = schema.properties?.["spec"] ?? {};
    const filled = new Set(EXAMPLES.flatMap((example) => filledPaths(specSchema, example)));
    const paths = new Set(propertyPaths(specSchema).map(ofOneFramework));
    assert.deepEqual(
      [...paths].filter((path) => !filled.has(path)),
      [],
    );
  });

  it("has the same schema for every framework's name", () => {
    const predictor = schema.properties?.["spec"]?.properties?.["predictor"]?.properties ?? {};
    for (const framework of FRAMEWORKS) {
      assert.deepEqual(predictor[framework], predictor["onnx"], framework);
    }
  });

  it("explains every field and defaults none", async () => {
    const explained = await kubectl("explain", "isvc.spec.predictor", "--recursive");
    assert.match(explained, /storageUri\s+<string>/);
    const one = await kubectl("explain", "isvc.spec.predictor.model.storageUri");
    assert.match(one, /Where the model is/);
    assert.deepEqual(offences(schema), []);
  });

  it("shows the columns that people look for", async () => {
    const manifest = {
      apiVersion: "pilotlight.dev/v1beta1",
      kind: "InferenceService",
      metadata: { name: "shown" },
      spec: MODEL_EXAMPLE,
    };
    await expectKube(apiserver.endpoint, { method: "POST", path: PATH, body: manifest });
    const lines = (await kubectl("get", "isvc", "shown")).split("\n");
    assert.deepEqual(lines[0]?.split(/\s+/).filter(Boolean), [
      "NAME",
      "READY",
      "REASON",
      "URL",
      "REPLICAS",
      "AGE",
    ]);
    assert.match(await kubectl("get", "all"), /inferenceservice\.pilotlight\.dev\/shown/);
  });

  it("stores every status that the controller's golden cases write, whole", async () => {
    const golden = join(import.meta.dirname, "../golden");
    for (const name of await readdir(golden)) {
      const want = parse(await readFile(join(golden, name, "want.yaml"), "utf8")) as Golden;
      const stored = await expectKube(apiserver.endpoint, {
        method: "PATCH",
        path: `${PATH}/${name}/status?fieldManager=test&force=true`,
        contentType: "application/apply-patch+yaml",
        body: { ...(await created(name)), status: want.status },
      });
      // What the schema does not know would be dropped, and the controller would write it for ever.
      assert.deepEqual((JSON.parse(stored) as Golden).status, want.status, name);
    }
  });

  /** Makes an InferenceService; returns what names it in later calls. */
  async function created(name: string): Promise<object> {
    const manifest = {
      apiVersion: "pilotlight.dev/v1beta1",
      kind: "InferenceService",
      metadata: { name, namespace: "default" },
    };
    const body = { ...manifest, spec: MODEL_EXAMPLE };
    await expectKube(apiserver.endpoint, { method: "POST", path: PATH, body });
    return manifest;
  }

  it("is small enough for client-side apply and for every tool between", async () => {
    const stored = await expectKube(apiserver.endpoint, {
      path: `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definition.metadata.name}`,
    });
    assert.ok(Buffer.byteLength(stored) < CRD_BYTES_MAX, `${Buffer.byteLength(stored)} bytes`);
  });
});

/** `path` with the name of one framework for that of any. */
function ofOneFramework(path: string): string {
  const [, component, field, ...rest] = path.split(".");
  return (FRAMEWORKS as readonly string[]).includes(field ?? "")
    ? ["", component, "onnx", ...rest].join(".")
    : path;
}

function judge(row: BoundRow, refusal: string | undefined): readonly string[] {
  const accepted = row.accepted && !REFUSED_BY_RULE.has(String(row.value));
  const at = `${row.path.join(".")} ${row.keyword}`;
  if (accepted) {
    return refusal === undefined ? [] : [`${at}: refused: ${refusal.slice(0, 300)}`];
  }
  const field = row.path.findLast((step) => typeof step === "string") ?? "spec";
  if (refusal === undefined) {
    return [`${at}: accepted ${JSON.stringify(row.value)?.slice(0, 80)}`];
  }
  return refusal.includes(field) ? [] : [`${at}: "${refusal}" does not name ${field}`];
}

function messages(schema: Schema): readonly string[] {
  return [
    ...(schema["x-kubernetes-validations"] ?? []).map(({ message }) => message),
    ...below(schema).flatMap(([, child]) => messages(child)),
  ];
}

/** Fields without a description, or with a default: what lies in Git must stay what is stored. */
function offences(schema: Schema, path = ""): readonly string[] {
  return below(schema).flatMap(([step, child]) => {
    const at = `${path}.${step}`;
    const silent = step !== "*" && at !== ".metadata" && (child.description ?? "") === "";
    return [
      ...(silent ? [`${at}: no description`] : []),
      ...(child.default === undefined ? [] : [`${at}: has a default`]),
      ...offences(child, at),
    ];
  });
}

function below(schema: Schema): readonly (readonly [string, Schema])[] {
  const free = [schema.items, schema.additionalProperties].flatMap((child) =>
    child === undefined ? [] : [["*", child] as const],
  );
  return [...Object.entries(schema.properties ?? {}), ...free];
}
