import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "mocha";
import { parse } from "yaml";
import { CHART, ROOT } from "../../hack/chart/generate.ts";
import { renderChart } from "../../hack/chart/install.ts";
import { ensureBinary } from "../../hack/go/build.ts";

interface Schema {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** Typed as a whole: what they may hold is wider than their defaults. */
const TYPED = [".resources", ".predictor.resources"];

/** Places that take whatever Kubernetes takes; the API server checks them. */
const RAW = [
  ".global",
  ".affinity",
  ".topologySpreadConstraints.*",
  ".extraEnv.*",
  ".networkPolicy.metricsFrom.*",
  ".extraObjects.*",
];

describe("values of charts/pilotlight", function () {
  this.timeout(120_000);
  const file = (name: string): string => readFileSync(join(ROOT, CHART, name), "utf8");
  const values = parse(file("values.yaml")) as Readonly<Record<string, unknown>>;
  const schema = JSON.parse(file("values.schema.json")) as Schema;

  before(async function () {
    this.timeout(1_800_000);
    await ensureBinary("helm");
  });

  it("are covered by the schema exactly", () => {
    assert.deepEqual(keysOfSchema(schema), keysOfValues(values, schema));
  });

  it("are closed everywhere but where Kubernetes' own objects stand", () => {
    assert.deepEqual(openPlaces(schema).toSorted(), RAW.toSorted());
  });

  for (const [set, refusal, why] of [
    ["replicas=2", /additional properties 'replicas' not allowed/, "a typo"],
    ["image.Tag=x", /additional properties 'Tag' not allowed/, "a typo inside"],
    ["metrics.serviceMonitor.enable=true", /additional properties 'enable' not/, "a typo deeper"],
    ["replicaCount=two", /at '\/replicaCount': got string, want integer/, "a word for a number"],
    ["replicaCount=-1", /at '\/replicaCount': minimum/, "below its range"],
    ["workers=65", /at '\/workers': maximum/, "above its range"],
    ["logLevel=verbose", /at '\/logLevel': value must be one of/, "no level"],
    [
      "storage.deniedHosts={https://a.b}",
      /at '\/storage\/deniedHosts\/0'.*does not match pattern/,
      "a scheme",
    ],
    ["image.tag=a b", /at '\/image\/tag'.*does not match pattern/, "no tag"],
    ["image.digest=sha256:12", /at '\/image\/digest'.*does not match pattern/, "no digest"],
    ["image.pullPolicy=Sometimes", /at '\/image\/pullPolicy': value must be one of/, "no policy"],
    ["watchNamespaces[0]=Team_A", /at '\/watchNamespaces\/0'.*does not match/, "no namespace"],
    ["podDisruptionBudget.maxUnavailable=half", /maxUnavailable'.*does not match/, "no share"],
    ["resources.limit.memory=1Gi", /additional properties 'limit' not allowed/, "not limits"],
    ["metrics.port=80", /at '\/metrics\/port': minimum/, "a port that only root may take"],
    ["podSecurityContext.runAsUser=0", /at '\/podSecurityContext\/runAsUser'/, "root"],
    [
      "leaderElection.enabled=false",
      /replicaCount is 2 and leaderElection\.enabled is false: .*Set leaderElection\.enabled=true/,
      "two writers",
    ],
    [
      "metrics.service.enabled=false,metrics.serviceMonitor.enabled=true",
      /metrics\.serviceMonitor\.enabled needs metrics\.service\.enabled/,
      "a monitor of nothing",
    ],
  ] as const) {
    it(`refuse ${set}: ${why}`, async () => {
      await assert.rejects(renderChart({ args: ["--set", set] }), refusal);
    });
  }

  it("let a parent chart share its own, and switch the chart as a whole", async () => {
    await renderChart({ args: ["--set", "global.anything=1", "--set", "enabled=true"] });
  });
});

function keysOfValues(value: unknown, schema: Schema | undefined, path = ""): readonly string[] {
  if (typeof value !== "object" || value === null || isLeaf(schema, path)) {
    return [path];
  }
  return Object.entries(value).flatMap(([key, inner]) =>
    keysOfValues(inner, schema?.properties?.[key], `${path}.${key}`),
  );
}

function keysOfSchema(schema: Schema, path = ""): readonly string[] {
  return isLeaf(schema, path)
    ? [path]
    : Object.entries(schema.properties ?? {}).flatMap(([key, below]) =>
        keysOfSchema(below, `${path}.${key}`),
      );
}

function isLeaf(schema: Schema | undefined, path: string): boolean {
  return schema?.properties === undefined || TYPED.includes(path);
}

function openPlaces(schema: Schema, path = ""): readonly string[] {
  const below = [
    ...Object.entries(schema.properties ?? {}).map(([key, inner]) => [key, inner] as const),
    ...(schema.items === undefined ? [] : [["*", schema.items] as const]),
  ].flatMap(([key, inner]) => openPlaces(inner, `${path}.${key}`));
  const choices = (schema.anyOf ?? []).flatMap((inner) => openPlaces(inner, path));
  const isMap = schema.type === "object";
  const open = isMap && (schema.additionalProperties ?? true) === true;
  return [...(open ? [path] : []), ...below, ...choices];
}
