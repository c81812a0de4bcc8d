import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "mocha";
import { parse } from "yaml";
import { CHART, ROOT } from "../../hack/chart/generate.ts";
import { renderChart } from "../../hack/chart/install.ts";
import { ensureBinary } from "../../hack/go/build.ts";
import { runCommand } from "../../hack/go/command.ts";
import { readConfig } from "../../controller/config.ts";
import { createMetrics } from "../../controller/ops/metrics.ts";
import {
  ciValues,
  container,
  environment,
  kinds,
  manifests,
  only,
  podTemplate,
  type Manifest,
} from "./objects.ts";

const CI = ["full", "namespaced", "single"];
const DEFAULT_KINDS = [
  "ClusterRole",
  "ClusterRole",
  "ClusterRole",
  "ClusterRoleBinding",
  "ConfigMap",
  "CustomResourceDefinition",
  "CustomResourceDefinition",
  "CustomResourceDefinition",
  "Deployment",
  "PodDisruptionBudget",
  "Role",
  "Role",
  "RoleBinding",
  "RoleBinding",
  "Service",
  "ServiceAccount",
];

describe("charts/pilotlight, rendered", function () {
  this.timeout(120_000);
  let all: readonly Manifest[];
  let full: readonly Manifest[];
  let namespaced: readonly Manifest[];
  let single: readonly Manifest[];

  before(async function () {
    // Helm is built once per machine.
    this.timeout(1_800_000);
    await ensureBinary("helm");
    all = await manifests();
    full = await manifests({ args: ["--values", ciValues("full")] });
    namespaced = await manifests({ args: ["--values", ciValues("namespaced")] });
    single = await manifests({ args: ["--values", ciValues("single")] });
  });

  it("passes helm lint --strict with every values file", async () => {
    const helm = await ensureBinary("helm");
    for (const args of [[], ...CI.map((name) => ["--values", ciValues(name)])]) {
      const { stdout } = await runCommand(helm, ["lint", "--strict", join(ROOT, CHART), ...args]);
      assert.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/);
    }
  });

  it("is byte for byte the same when rendered again", async () => {
    for (const args of [[], ...CI.map((name) => ["--values", ciValues(name)])]) {
      assert.equal(await renderChart({ args }), await renderChart({ args }));
    }
  });

  it("looks up nothing and invents nothing", () => {
    const text = readTemplates();
    assert.doesNotMatch(text, /\blookup\b|\brand[A-Z]\w+|\bnow\b|\bgen(CA|SignedCert|PrivateKey)/);
  });

  it("has the version of the package", () => {
    const chart = parse(readFileSync(join(ROOT, CHART, "Chart.yaml"), "utf8")) as Versions;
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Versions;
    assert.deepEqual([chart.version, chart.appVersion], [version, version]);
  });

  it("holds by default what an operator needs, and no more", () => {
    assert.deepEqual(kinds(all).toSorted(), DEFAULT_KINDS);
  });

  it("labels every object of its own, and never twice in another way", () => {
    for (const manifest of [...all, ...full].filter(
      ({ metadata }) => !/extra/.test(metadata.name),
    )) {
      const labels = manifest.metadata.labels ?? {};
      assert.equal(labels["app.kubernetes.io/name"], "pilotlight", manifest.kind);
      assert.equal(labels["app.kubernetes.io/instance"], "pilotlight", manifest.kind);
      assert.equal(labels["app.kubernetes.io/managed-by"], "Helm", manifest.kind);
    }
    assert.equal(only(full, "ServiceAccount").metadata.labels?.["team"], "serving");
  });

  it("selects by labels that no value changes", () => {
    const wanted = {
      matchLabels: {
        "app.kubernetes.io/name": "pilotlight",
        "app.kubernetes.io/instance": "pilotlight",
        "app.kubernetes.io/component": "controller",
      },
    };
    for (const rendered of [all, full, namespaced, single]) {
      assert.deepEqual(only(rendered, "Deployment").spec?.["selector"], wanted);
      const { labels } = podTemplate(rendered).metadata;
      for (const [key, value] of Object.entries(wanted.matchLabels)) {
        assert.equal(labels[key], value);
      }
    }
  });

  it("confines the controller as the restricted profile wants it", () => {
    for (const rendered of [all, full, namespaced]) {
      assert.deepEqual(podTemplate(rendered).spec.securityContext, {
        runAsNonRoot: true,
        runAsUser: 10001,
        runAsGroup: 10001,
        seccompProfile: { type: "RuntimeDefault" },
      });
      assert.deepEqual(container(rendered).securityContext, {
        allowPrivilegeEscalation: false,
        privileged: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
    }
    assert.deepEqual(podTemplate(single).spec.securityContext, {
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  it("probes the controller and bounds its memory and disk", () => {
    const { livenessProbe, readinessProbe, resources } = container(all);
    assert.equal(livenessProbe.httpGet.path, "/healthz");
    assert.equal(readinessProbe.httpGet.path, "/readyz");
    assert.deepEqual(Object.keys(resources["limits"] ?? {}), ["ephemeral-storage", "memory"]);
  });

  it("runs two pods apart from each other, and drains them in turn", () => {
    const deployment = only(all, "Deployment").spec ?? {};
    assert.equal(deployment["replicas"], 2);
    const { affinity, topologySpreadConstraints } = podTemplate(all).spec;
    assert.match(JSON.stringify(affinity), /preferredDuringScheduling.*kubernetes\.io\/hostname/);
    assert.match(JSON.stringify(topologySpreadConstraints), /ScheduleAnyway/);
    assert.equal(only(all, "PodDisruptionBudget").spec?.["maxUnavailable"], 1);
    assert.equal(only(full, "PodDisruptionBudget").spec?.["maxUnavailable"], "50%");
    assert.ok(!kinds(single).includes("PodDisruptionBudget"));
  });

  it("takes user's affinity and spread instead of its own", () => {
    const { affinity, topologySpreadConstraints } = podTemplate(full).spec;
    assert.deepEqual(Object.keys(affinity as object), ["nodeAffinity"]);
    assert.equal((topologySpreadConstraints as readonly unknown[]).length, 1);
  });

  it("names images by registry, tag and digest", () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Versions;
    assert.equal(container(all).image, `pilotlight/controller:${version}`);
    assert.equal(
      container(full).image,
      `registry.example.com/mirror/pilotlight/controller@sha256:${"0123456789abcdef".repeat(4)}`,
    );
    assert.equal(
      configOf(full).predictor.image,
      "registry.example.com/pilotlight/predictor:0.1.0-rc.1",
    );
  });

  it("gives the controller an environment and a file that it understands", () => {
    for (const rendered of [all, full, namespaced, single]) {
      const variables = environment(rendered);
      const { predictor } = configOf(rendered);
      // The mounted file is not here; the image stands in for what readConfig would find in it.
      const { CONFIG_FILE: file, ...rest } = variables;
      assert.equal(file, "/etc/pilotlight/config.yaml");
      const config = readConfig({ ...rest, PREDICTOR_IMAGE: predictor.image });
      assert.equal(config.predictor.image, predictor.image);
    }
    const config = readConfig({
      ...environment(namespaced),
      CONFIG_FILE: "",
      PREDICTOR_IMAGE: "i",
    });
    assert.deepEqual(config.watchNamespaces, ["team-a", "team-b"]);
    assert.equal(environment(full)["OPS_PORT"], "9091");
    assert.equal(environment(single)["LEADER_ELECTION"], "false");
  });

  it("gives the hosts that models may come from to whoever makes predictors", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pilotlight-config-"));
    const file = join(folder, "config.yaml");
    const hostsOf = async (rendered: readonly Manifest[]): Promise<unknown> => {
      await writeFile(file, configText(rendered));
      return readConfig({ CONFIG_FILE: file }).predictor.modelHosts;
    };
    assert.equal(await hostsOf(all), undefined);
    const allowed = ["models.example.com", "*.hub.example.com"];
    assert.deepEqual(await hostsOf(full), { allowed, denied: ["old.hub.example.com"] });
    const docs = readFileSync(join(ROOT, "docs/storage.md"), "utf8");
    const values = join(folder, "values.yaml");
    await writeFile(values, /^```yaml\n(storage:\n[^`]*)```/m.exec(docs)?.[1] ?? "none: there");
    const documented = await hostsOf(await manifests({ args: ["--values", values] }));
    assert.match(JSON.stringify(documented), /"allowed":\["models\.example\.com",/);
    await rm(folder, { recursive: true });
  });

  it("makes new pods when the configuration changes, and only then", async () => {
    const checksum = (rendered: readonly Manifest[]): string | undefined =>
      podTemplate(rendered).metadata.annotations["checksum/config"];
    const changed = await manifests({ args: ["--set", "predictor.image.tag=other"] });
    const same = await manifests({ args: ["--set", "replicaCount=3"] });
    assert.match(checksum(all) ?? "", /^[0-9a-f]{64}$/);
    assert.notEqual(checksum(changed), checksum(all));
    assert.equal(checksum(same), checksum(all));
  });

  it("keeps its CustomResourceDefinitions on uninstall, unless told", () => {
    const annotations = (rendered: readonly Manifest[]): Readonly<Record<string, string>> =>
      only(rendered, "CustomResourceDefinition", "inferenceservices.pilotlight.dev").metadata
        .annotations ?? {};
    assert.equal(annotations(all)["helm.sh/resource-policy"], "keep");
    assert.equal(annotations(all)["argocd.argoproj.io/sync-options"], "ServerSideApply=true");
    assert.equal(annotations(full)["example.com/owner"], "serving");
    assert.equal(
      annotations(full)["argocd.argoproj.io/sync-options"],
      "ServerSideApply=true,Prune=confirm",
    );
    assert.equal(annotations(single)["helm.sh/resource-policy"], undefined);
    assert.ok(!kinds(namespaced).includes("CustomResourceDefinition"));
  });

  it("holds the very CustomResourceDefinitions of crds/", () => {
    for (const file of readdirSync(join(ROOT, "crds"))) {
      const { metadata, spec } = parse(readFileSync(join(ROOT, "crds", file), "utf8"), {
        maxAliasCount: -1,
      }) as Manifest;
      assert.deepEqual(only(all, "CustomResourceDefinition", metadata.name).spec, spec);
    }
  });

  it("defines and serves KServe's group only when asked", async () => {
    const group = (rendered: readonly Manifest[]): readonly string[] =>
      rendered
        .filter(({ kind }) => kind === "CustomResourceDefinition")
        .map(({ metadata }) => metadata.name)
        .filter((name) => name.endsWith(".serving.kserve.io"));
    assert.deepEqual(group(all), []);
    const asked = await manifests({ args: ["--set", "compatibility.kserve=true"] });
    assert.deepEqual(group(asked).toSorted(), [
      "clusterservingruntimes.serving.kserve.io",
      "inferenceservices.serving.kserve.io",
      "servingruntimes.serving.kserve.io",
    ]);
    const rules = asked.flatMap((manifest) => manifest.rules ?? []);
    const served = rules.filter(({ apiGroups }) => apiGroups.includes("pilotlight.dev"));
    assert.ok(served.every(({ apiGroups }) => apiGroups.includes("serving.kserve.io")));
  });

  it("cuts long names to 63 characters, and keeps them apart", async () => {
    const release = "r".repeat(53);
    const long = await manifests({ release, args: ["--set", `nameOverride=${"n".repeat(63)}`] });
    const roles = long.filter(({ kind }) => kind === "ClusterRole");
    assert.equal(new Set(roles.map(({ metadata }) => metadata.name)).size, roles.length);
    for (const { kind, metadata } of long.filter(({ kind }) => !/Definition/.test(kind))) {
      assert.ok(metadata.name.length <= 63, `${kind} ${metadata.name}`);
      assert.match(metadata.name, /[a-z0-9]$/, kind);
      for (const value of Object.values(metadata.labels ?? {})) {
        assert.ok(value.length <= 63, `${kind}: label ${value}`);
      }
    }
  });

  it("renders more objects, from objects and from texts", () => {
    assert.equal(only(full, "ConfigMap", "extra-object").apiVersion, "v1");
    assert.equal(only(full, "ConfigMap", "pilotlight-extra-text").apiVersion, "v1");
  });

  it("alerts on metrics that the controller has", async () => {
    const rule = only(full, "PrometheusRule").spec as unknown as Rules;
    const known = await createMetrics({ version: "test", defaults: false }).render();
    const alerts = rule.groups.flatMap(({ rules }) => rules);
    assert.equal(alerts.length, 6);
    for (const { alert, expr, annotations } of alerts) {
      const names = expr.match(/[a-z]+(?:_[a-z]+){2,}/g) ?? [];
      assert.notEqual(names.length, 0, alert);
      for (const name of names) {
        assert.ok(known.includes(`# TYPE ${name} `), `${alert}: no metric ${name}`);
      }
      assert.ok(annotations.summary !== "" && annotations.description !== "", alert);
    }
  });

  it("scrapes by the Service, and lets through a NetworkPolicy only what is needed", () => {
    assert.equal(only(full, "ServiceMonitor").metadata.labels?.["release"], "prometheus");
    assert.equal(only(full, "ServiceMonitor").metadata.labels?.["team"], "metrics");
    const { ports } = only(full, "Service").spec as unknown as { ports: readonly object[] };
    assert.deepEqual(ports, [
      { name: "metrics", port: 9091, targetPort: "metrics", protocol: "TCP" },
    ]);
    assert.ok(!kinds(all).includes("NetworkPolicy"));
    const { ingress, egress } = only(full, "NetworkPolicy").spec as unknown as Policy;
    assert.equal(ingress[0]?.from?.length, 1);
    assert.deepEqual(egress[1]?.to, [{ ipBlock: { cidr: "10.0.0.1/32" } }]);
  });
});

interface Versions {
  readonly version: string;
  readonly appVersion?: string;
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: { readonly summary: string; readonly description: string };
    }[];
  }[];
}

interface Policy {
  readonly ingress: readonly { readonly from?: readonly object[] }[];
  readonly egress: readonly { readonly to?: readonly object[] }[];
}

function configOf(all: readonly Manifest[]): { readonly predictor: { readonly image: string } } {
  return parse(configText(all)) as { predictor: { image: string } };
}

function configText(all: readonly Manifest[]): string {
  return only(all, "ConfigMap", "pilotlight").data?.["config.yaml"] ?? "";
}

function readTemplates(): string {
  const folder = join(ROOT, CHART, "templates");
  const names = ["_helpers.tpl", "deployment.yaml", "configmap.yaml", "NOTES.txt"];
  return names.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
}
