/** A real API server with kubectl and Helm for it. */
import { mkdir, symlink } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { ROOT } from "../../hack/chart/generate.ts";
import { expectKube } from "../../hack/cluster/kube-request.ts";
import { ensureBinary } from "../../hack/go/build.ts";
import { runCommand } from "../../hack/go/command.ts";
import { startApiserver, type ApiserverOptions, type Apiserver } from "../support/apiserver.ts";

export interface TestCluster {
  readonly apiserver: Apiserver;
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  readonly helm: (...args: readonly string[]) => Promise<string>;
  /** Lines as a reader would type them in a checkout, to the first that fails; their output. */
  readonly shell: (lines: string) => Promise<string>;
  /** GET of an object that must exist. */
  readonly get: <T>(path: string) => Promise<T>;
  readonly createNamespace: (
    name: string,
    labels?: Readonly<Record<string, string>>,
  ) => Promise<void>;
  readonly stop: () => Promise<void>;
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
  return {
    apiserver,
    kubectl: async (args, input) => {
      const options = input === undefined ? { env } : { env, input };
      return (await runCommand(kubectl, args, options)).stdout;
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
