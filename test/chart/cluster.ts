/** A real API server with kubectl and Helm for it. */
import assert from "node:assert/strict";
import { mkdir, symlink } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { after, before } from "mocha";
import { ROOT } from "../../hack/chart/generate.ts";
import { expectKube } from "../../hack/cluster/kube-request.ts";
import { waitFor } from "../../hack/cluster/wait.ts";
import { ensureBinary } from "../../hack/go/build.ts";
import { runCommand } from "../../hack/go/command.ts";
import { startApiserver, type ApiserverOptions, type Apiserver } from "../support/apiserver.ts";

export interface TestCluster {
  readonly apiserver: Apiserver;
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  readonly helm: (...args: readonly string[]) => Promise<string>;
  /** Lines as a reader would type them in a checkout, to the first that fails; their output. */
  readonly shell: (lines: string) => Promise<string>;
  /** Waits until all our kinds are served: a moment after their definitions are there. */
  readonly untilServed: () => Promise<void>;
  /**
   * Waits until none of our kinds is defined any more: each goes when its objects are gone. Whose
   * storage nobody has read before, as a controller does, may stay until kube-apiserver looks again
   * after minutes: its finalizer finds the storage initializing, tries again with what it read
   * before, and takes the conflict for somebody else's change. So untilServed() comes first.
   */
  readonly untilDefinitionsAreGone: () => Promise<void>;
  /** GET of an object that must exist. */
  readonly get: <T>(path: string) => Promise<T>;
  readonly createNamespace: (
    name: string,
    labels?: Readonly<Record<string, string>>,
  ) => Promise<void>;
  readonly stop: () => Promise<void>;
}

const GROUP = "pilotlight.dev";
/** Our kinds, by the names of their definitions. */
export const KINDS = ["inferenceservices", "servingruntimes", "clusterservingruntimes"].map(
  (plural) => `${plural}.${GROUP}`,
);
/** Where definitions are. */
export const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

interface Definitions {
  readonly items: readonly { readonly spec: { readonly group: string } }[];
}

/** For what a definition, a deletion or the controller takes. */
export const TIMEOUT = { timeoutMs: 30_000 };

/** One for the tests of a suite, with these namespaces; there from their first hook on. */
export function useTestCluster(...namespaces: readonly string[]): () => TestCluster {
  let cluster: TestCluster | undefined;
  before(async function () {
    this.timeout(1_800_000);
    cluster = await startTestCluster();
    for (const name of namespaces) {
      await cluster.createNamespace(name);
    }
  });
  after(() => cluster?.stop());
  return () => cluster ?? assert.fail("no cluster before the hooks have run");
}

/** Starts it, with the tools' caches in the API server's own folder. */
export async function startTestCluster(options: ApiserverOptions = {}): Promise<TestCluster> {
  const [kubectl, helm] = [await ensureBinary("kubectl"), await ensureBinary("helm")];
  const apiserver = await startApiserver(options);
  const { kubeconfig, endpoint } = apiserver;
  const folder = dirname(kubeconfig);
  const bin = join(folder, "path");
  await mkdir(bin);
  await Promise.all([symlink(kubectl, join(bin, "kubectl")), symlink(helm, join(bin, "helm"))]);
  const env = {
    ...process.env,
    PATH: [bin, process.env["PATH"]].join(delimiter),
    KUBECONFIG: kubeconfig,
    KUBECACHEDIR: join(folder, "kubectl-cache"),
    HELM_CACHE_HOME: join(folder, "helm-cache"),
    HELM_CONFIG_HOME: join(folder, "helm-config"),
    HELM_DATA_HOME: join(folder, "helm-data"),
  };
  const runKubectl: TestCluster["kubectl"] = async (args, input) => {
    const options = input === undefined ? { env } : { env, input };
    return (await runCommand(kubectl, args, options)).stdout;
  };
  return {
    apiserver,
    kubectl: runKubectl,
    untilServed: async () => {
      const get = (): Promise<string> => runKubectl(["get", KINDS.join(), "--all-namespaces"]);
      await waitFor("the kinds are served", get, TIMEOUT);
    },
    untilDefinitionsAreGone: async () => {
      const gone = async (): Promise<true | undefined> => {
        const list = JSON.parse(await expectKube(endpoint, { path: DEFINITIONS })) as Definitions;
        return list.items.some(({ spec }) => spec.group === GROUP) ? undefined : true;
      };
      await waitFor("our definitions are gone", gone, TIMEOUT);
    },
    helm: async (...args) => (await runCommand(helm, args, { env })).stdout,
    shell: async (lines) => (await runCommand("sh", ["-ec", lines], { cwd: ROOT, env })).stdout,
    get: async <T>(path: string) => JSON.parse(await expectKube(endpoint, { path })) as T,
    createNamespace: async (name, labels = {}) => {
      await expectKube(endpoint, {
        method: "POST",
        path: "/api/v1/namespaces",
        body: { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } },
      });
    },
    stop: () => apiserver.stop(),
  };
}
