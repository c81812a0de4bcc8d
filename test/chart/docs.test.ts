/** The commands of docs/install.md and docs/kserve.md, run as they stand, on a real API server. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { callKube } from "../../hack/cluster/kube-request.ts";
import { blocksOf } from "../support/markdown.ts";
import { DEFINITIONS, KINDS, useTestCluster } from "./cluster.ts";

const REGISTRY = "registry.example.com";
const KSERVES = "inferenceservices.serving.kserve.io";
const INSTALL = "helm install pilotlight charts/pilotlight --namespace";
const DEPLOYMENTS = "/apis/apps/v1/namespaces";

/** The only block of commands on a page that begins so. */
function block(page: string, beginning: string): string {
  const found = blocksOf(`docs/${page}`).filter((lines) => lines.startsWith(beginning));
  assert.equal(found.length, 1, `blocks of docs/${page} that begin with "${beginning}"`);
  return found[0] ?? "";
}

/** Without what waits for pods: an API server alone has no node to run them. */
const withoutWaiting = (lines: string): string =>
  lines.replace(/^kubectl .*rollout status.*$/m, "");

describe("docs/install.md", function () {
  this.timeout(120_000);
  const cluster = useTestCluster("knative-serving");

  const install = (): Promise<string> =>
    cluster().shell(
      withoutWaiting(block("install.md", `${INSTALL} pilotlight-system --create-namespace`)),
    );

  async function image(namespace: string): Promise<string> {
    const path = `${DEPLOYMENTS}/${namespace}/deployments/pilotlight`;
    const { spec } = await cluster().get<Deployment>(path);
    return spec.template.spec.containers[0]?.image ?? "";
  }

  async function isDefined(kind: string): Promise<boolean> {
    const path = `${DEFINITIONS}/${kind}`;
    return (await callKube(cluster().apiserver.endpoint, { path })).status === 200;
  }

  async function createInferenceService(): Promise<void> {
    await cluster().untilServed();
    await cluster().shell("kubectl apply -f examples/iris/isvc.yaml");
  }

  it("installs with Helm, from your registry, in a restricted namespace", async () => {
    await install();
    assert.ok((await image("pilotlight-system")).startsWith(`${REGISTRY}/`));
    const { metadata } = await cluster().get<Labelled>("/api/v1/namespaces/pilotlight-system");
    assert.equal(metadata.labels["pod-security.kubernetes.io/enforce"], "restricted");
  });

  it("upgrades with the values of before", async () => {
    await cluster().shell(block("install.md", "helm upgrade"));
    assert.ok((await image("pilotlight-system")).startsWith(`${REGISTRY}/`));
  });

  it("docs/kserve.md: serves KServe's group beside ours, with the values of before", async () => {
    await cluster().shell(block("kserve.md", "helm upgrade --install"));
    assert.ok(await isDefined(KSERVES));
    assert.ok((await image("pilotlight-system")).startsWith(`${REGISTRY}/`));
  });

  it("uninstalls, and what is served stays", async () => {
    await createInferenceService();
    await cluster().shell(block("install.md", "helm uninstall"));
    for (const kind of KINDS) assert.ok(await isDefined(kind), kind);
    assert.match(await cluster().kubectl(["get", "isvc", "-o", "name"]), /iris/);
  });

  it("installs over what stayed, and removes all of it", async () => {
    await install();
    await cluster().untilServed();
    await cluster().shell(block("install.md", "kubectl delete isvc --all"));
    await cluster().untilDefinitionsAreGone();
  });

  it("installs with kubectl, and kubectl deletes what is served as well", async () => {
    await cluster().shell(block("install.md", "npm run manifest"));
    assert.ok((await image("pilotlight-system")).startsWith(`${REGISTRY}/`));
    await createInferenceService();
    await cluster().shell("kubectl delete --wait=false -f dist/install.yaml");
    await cluster().untilDefinitionsAreGone();
  });

  it("installs for some namespaces only, which exist: no ClusterRole but those for people", async () => {
    for (const name of ["team-a", "team-b"]) await cluster().createNamespace(name);
    await cluster().shell(block("install.md", `${INSTALL} team-a`));
    const roles = await cluster().kubectl(["get", "clusterroles", "-o", "name"]);
    const ours = roles.split("\n").filter((name) => name.includes("pilotlight"));
    assert.ok(
      ours.every((name) => /-(view|edit)$/.test(name)),
      ours.join(", "),
    );
    const own = await cluster().kubectl(["get", "roles", "-n", "team-b", "-o", "name"]);
    assert.match(own, /pilotlight/);
  });
});

interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly image: string }[] };
    };
  };
}

interface Labelled {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
}
