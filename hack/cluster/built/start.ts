import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureBinaries } from "../../go/build.ts";
import type { CommandResult } from "../../go/command.ts";
import type { ProcessId } from "../../go/process-id.ts";
import type { Progress } from "../../go/progress.ts";
import type { Cluster } from "../cluster.ts";
import { assertRunning, type Daemon } from "../daemon.ts";
import { ensureEnvoy } from "../envoy.ts";
import { ensurePackages } from "../packages.ts";
import { waitFor } from "../wait.ts";
import {
  cniConfig,
  containerdConfig,
  contourConfig,
  kubeletConfig,
  kubeProxyConfig,
} from "./config.ts";
import { kubeconfigOf, writeCredentials } from "./credentials.ts";
import { clusterHandle, importImage } from "./handle.ts";
import { IMAGE_BINARIES, imageOf, importImages } from "./images.ts";
import { GATEWAY } from "./ingress-objects.ts";
import { readStages, type Manifest } from "./manifests.ts";
import { CONTAINERD_SOCKET, NODE_NAME } from "./network.ts";
import {
  apiserver,
  bootstrapArgs,
  containerd,
  etcd,
  ingressComponents,
  kubelet,
  NODE_BINARIES,
  controlComponents,
  type NodeBinaries,
  type ProcessSpec,
} from "./processes.ts";
import { createSandbox, runInside, startInside } from "./sandbox.ts";
import { linkTools } from "./tools.ts";
import { CHECKOUT, writeState, type Paths, type State } from "./state.ts";

const READY_TIMEOUT_MS = 60_000;
const APPLY_ATTEMPTS = 20;
const ROLLOUT_TIMEOUT = "180s";

/** Starts the whole cluster in an empty folder and waits until it serves. */
export async function startCluster(
  paths: Paths,
  fingerprint: string,
  progress: Progress,
): Promise<State> {
  await ensurePackages("cluster", progress);
  const tools = await ensureBinaries([...NODE_BINARIES, ...IMAGE_BINARIES, "kubectl"], progress);
  const binaries: NodeBinaries = { ...tools, envoy: await ensureEnvoy(progress) };
  await progress.step("write certificates and configuration", async () => {
    await writeConfig(paths);
    await linkTools(paths.bin);
    await writeCredentials(paths);
  });
  const starter = await createStarter(paths, fingerprint, tools.pause);
  await progress.step("start etcd, containerd and kube-apiserver", async () => {
    await starter.start([etcd(paths, binaries), containerd(paths), apiserver(paths, binaries)]);
    await starter.waitForApiserver();
  });
  const { cluster } = starter;
  const imported = progress.step("import the images of the cluster's pods", async () => {
    await waitForContainerd(starter);
    await importImages(paths, tools, async (tar) => importImage(starter, tar));
  });
  const applied = progress.step("apply Knative, the Gateway and DNS", async () => {
    await starter.start(controlComponents(paths, binaries));
    await applyStages(paths, cluster);
  });
  await Promise.all([imported, applied]);
  await progress.step("start kubelet, Contour, Envoy and net-gateway-api", async () => {
    await runInside(starter.init, binaries.contour, bootstrapArgs(paths));
    await starter.start([kubelet(paths, binaries), ...ingressComponents(paths, binaries)]);
  });
  await progress.step("wait for the node, DNS, Knative and the Gateway", async () => {
    await waitUntilServing(starter);
  });
  return starter.finish();
}

/** Starts processes and remembers each at once, so that a failed start leaves no stranger. */
interface Starter {
  readonly init: ProcessId;
  readonly cluster: Cluster;
  readonly start: (specs: readonly ProcessSpec[]) => Promise<void>;
  readonly check: () => Promise<void>;
  readonly waitForApiserver: () => Promise<void>;
  readonly finish: () => Promise<State>;
}

async function createStarter(paths: Paths, fingerprint: string, pause: string): Promise<Starter> {
  const sandbox = await createSandbox(paths, pause);
  const daemons: Daemon[] = [];
  const state = (ready: boolean): State => ({
    fingerprint,
    checkout: CHECKOUT,
    ready,
    guard: sandbox.guard,
    init: sandbox.init,
    processes: Object.fromEntries(
      daemons.map(({ name, pid, startTicks }) => [name, { pid, startTicks }]),
    ),
  });
  await writeState(paths, state(false));
  const cluster = clusterHandle(paths, state(false));
  const check = async (): Promise<void> => {
    await Promise.all(daemons.map(assertRunning));
  };
  return {
    init: sandbox.init,
    cluster,
    check,
    start: async (specs) => {
      for (const spec of specs) {
        const logPath = join(paths.logs, `${spec.name}.log`);
        const env = { ...process.env, ...spec.env };
        daemons.push(await startInside(sandbox.init, { ...spec, env, logPath }));
        await writeState(paths, state(false));
      }
    },
    waitForApiserver: async () => {
      await until(check, "kube-apiserver is ready", async () =>
        kubectl(cluster, "get", "--raw", "/readyz"),
      );
    },
    finish: async () => {
      await check();
      const finished = state(true);
      await writeState(paths, finished);
      return finished;
    },
  };
}

async function writeConfig(paths: Paths): Promise<void> {
  for (const folder of [paths.logs, paths.bin, join(paths.config, "cni"), paths.manifests]) {
    await mkdir(folder, { recursive: true });
  }
  const write = async (name: string, text: string): Promise<void> =>
    writeFile(join(paths.config, name), text);
  await write("containerd.toml", containerdConfig(paths, imageOf("pause")));
  await write(join("cni", "10-pods.conflist"), cniConfig());
  await write("kubelet.yaml", kubeletConfig(paths));
  await write("kube-proxy.yaml", kubeProxyConfig(kubeconfigOf(paths, "kube-proxy")));
  await write("contour.yaml", contourConfig(GATEWAY));
}

async function waitForContainerd(starter: Starter): Promise<void> {
  await until(starter.check, "containerd answers", async () =>
    runInside(starter.init, "ctr", ["--address", CONTAINERD_SOCKET, "version"]),
  );
}

async function applyStages(paths: Paths, cluster: Cluster): Promise<void> {
  const { definitions, objects } = await readStages();
  await apply(cluster, await writeList(paths, "1-definitions", definitions));
  await apply(cluster, await writeList(paths, "2-objects", objects));
}

async function writeList(paths: Paths, name: string, items: readonly Manifest[]): Promise<string> {
  const path = join(paths.manifests, `${name}.json`);
  await writeFile(path, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return path;
}

/** A kind is served a moment after its definition is stored: the first attempts may fail. */
async function apply(cluster: Cluster, path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await kubectl(cluster, "apply", "--server-side", "--force-conflicts", "--filename", path);
      return;
    } catch (error) {
      if (attempt === APPLY_ATTEMPTS) {
        throw error;
      }
    }
  }
}

async function waitUntilServing(starter: Starter): Promise<void> {
  const { cluster, check } = starter;
  const wait = async (...args: string[]): Promise<void> => {
    await kubectl(cluster, "wait", `--timeout=${ROLLOUT_TIMEOUT}`, ...args);
    await check();
  };
  await until(check, "the node is registered", async () =>
    kubectl(cluster, "get", "node", NODE_NAME),
  );
  await wait("--for=condition=Ready", `node/${NODE_NAME}`);
  for (const namespace of ["kube-system", "knative-serving"]) {
    const deployments = ["deployment", "--all", "--namespace", namespace];
    await wait("--for=condition=Available", ...deployments);
  }
  const gateway = [`gateway/${GATEWAY.name}`, "--namespace", GATEWAY.namespace];
  await wait("--for=condition=Programmed", ...gateway);
  // Available says that the webhook's pod answers, not that its certificate is everywhere.
  await until(check, "Knative's webhook answers", async () =>
    kubectl(cluster, "create", "--dry-run=server", "--filename", "-", { input: PROBE }),
  );
}

/** Nothing is stored: it passes Knative's webhooks, which is all that is asked. */
const PROBE = JSON.stringify({
  apiVersion: "serving.knative.dev/v1",
  kind: "Service",
  metadata: { name: "probe", namespace: "default" },
  spec: { template: { spec: { containers: [{ image: "dev.local/probe" }] } } },
});

async function kubectl(
  cluster: Cluster,
  ...words: readonly (string | { readonly input: string })[]
): Promise<CommandResult> {
  const args = words.filter((word) => typeof word === "string");
  const input = words.find((word) => typeof word === "object");
  return cluster.exec("kubectl", args, input ?? {});
}

async function until(
  check: () => Promise<void>,
  what: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const probe = async (): Promise<true> => {
    await work();
    return true;
  };
  await waitFor(what, probe, { timeoutMs: READY_TIMEOUT_MS, check });
}
