import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StartedTestContainer } from "testcontainers";
import { cacheFolder } from "../go/cache.ts";
import { ensureBinary } from "../go/build.ts";
import { runCommand } from "../go/command.ts";
import type { Progress } from "../go/progress.ts";
import { pathsOf } from "./built/state.ts";
import type { Cluster, Provider } from "./cluster.ts";
import { plainCommands } from "./plain.ts";

/** k3s of the Kubernetes release that everything else here is of. */
const IMAGE = "rancher/k3s:v1.36.3-k3s1";
const API_PORT = 6443;
/** Port of the node at which Kourier's Service is reached. */
const INGRESS_PORT = 31080;
/** The release of Knative that carries the serving module's version: 0.48 is 1.21. */
const KNATIVE = "knative-v1.21.0";
const RELEASES = [
  `https://github.com/knative/serving/releases/download/${KNATIVE}/serving-crds.yaml`,
  `https://github.com/knative/serving/releases/download/${KNATIVE}/serving-core.yaml`,
  `https://github.com/knative-extensions/net-kourier/releases/download/${KNATIVE}/kourier.yaml`,
];
const STARTUP_TIMEOUT_MS = 180_000;

/**
 * k3s in one Docker container, with Knative's published release on it. For machines with Docker
 * and a way to the registries and releases; one container for each checkout.
 */
export function k3sProvider(progress: Progress): Provider {
  const folder = join(cacheFolder(), "clusters", `k3s-${pathsOf().id}`);
  const marker = join(folder, "kubeconfig");
  const isMarked = (): Promise<boolean> =>
    readFile(marker).then(
      () => true,
      () => false,
    );
  const find = async (): Promise<Cluster | undefined> =>
    (await isMarked()) ? handle(await attach(), marker) : undefined;
  return {
    find,
    up: async () => (await find()) ?? start(folder, marker, progress),
    down: async () => {
      if (await isMarked()) {
        await (await attach()).stop({ remove: true });
        await rm(folder, { recursive: true, force: true });
      }
    },
    status: async () => `provider  k3s${(await isMarked()) ? "" : " (not started)"}`,
    logPath: () => undefined,
  };
}

/** The checkout's container: the running one, by the hash of this definition, or a new one. */
async function attach(): Promise<StartedTestContainer> {
  const { GenericContainer, Wait } = await import("testcontainers");
  return new GenericContainer(IMAGE)
    .withPrivilegedMode()
    .withLabels({ "pilotlight.dev/checkout": pathsOf().id })
    .withCommand(["server", "--disable=traefik", "--tls-san=127.0.0.1"])
    .withTmpFs({ "/run": "", "/var/run": "" })
    .withExposedPorts(API_PORT, INGRESS_PORT)
    .withWaitStrategy(Wait.forLogMessage(/Node controller sync successful/))
    .withStartupTimeout(STARTUP_TIMEOUT_MS)
    .withReuse()
    .start();
}

async function start(folder: string, kubeconfig: string, progress: Progress): Promise<Cluster> {
  const container = await progress.step(`start ${IMAGE}`, attach);
  const { output, exitCode } = await container.exec(["cat", "/etc/rancher/k3s/k3s.yaml"]);
  if (exitCode !== 0) {
    throw new Error(`k3s wrote no kubeconfig: ${output}`);
  }
  await mkdir(folder, { recursive: true });
  const server = `https://127.0.0.1:${container.getMappedPort(API_PORT)}`;
  const text = output.replace(/https:\/\/127\.0\.0\.1:\d+/, server);
  await writeFile(kubeconfig, text, { mode: 0o600 });
  const cluster = await handle(container, kubeconfig);
  await progress.step("install Knative and Kourier", async () => installKnative(cluster));
  return cluster;
}

async function installKnative({ exec }: Cluster): Promise<void> {
  for (const release of RELEASES) {
    await exec("kubectl", ["apply", "--server-side", "--filename", release]);
  }
  await patch(exec, ["configmap/config-network", "--namespace=knative-serving"], {
    data: { "ingress-class": "kourier.ingress.networking.knative.dev" },
  });
  await patch(exec, ["configmap/config-domain", "--namespace=knative-serving"], {
    data: { "example.com": "" },
  });
  await patch(exec, ["service/kourier", "--namespace=kourier-system"], {
    spec: { type: "NodePort", ports: [{ name: "http2", port: 80, nodePort: INGRESS_PORT }] },
  });
  for (const namespace of ["knative-serving", "kourier-system"]) {
    const deployments = ["deployment", "--all", `--namespace=${namespace}`, "--timeout=300s"];
    await exec("kubectl", ["wait", "--for=condition=Available", ...deployments]);
  }
}

async function patch(exec: Cluster["exec"], target: string[], body: unknown): Promise<void> {
  await exec("kubectl", ["patch", ...target, "--patch", JSON.stringify(body)]);
}

async function handle(container: StartedTestContainer, kubeconfig: string): Promise<Cluster> {
  const kubectl = await ensureBinary("kubectl");
  const bin = join(kubeconfig, "..", "bin");
  await mkdir(bin, { recursive: true });
  await runCommand("ln", ["-sf", kubectl, join(bin, "kubectl")]);
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    KUBECONFIG: kubeconfig,
    PATH: `${bin}:${process.env.PATH ?? ""}`,
  };
  return {
    provider: "k3s",
    kubeconfig,
    ingress: { host: "127.0.0.1", port: container.getMappedPort(INGRESS_PORT) },
    // Pods reach a server of the machine at the gateway of the container's network.
    nodeAddress: await gatewayOf(container),
    auditLog: undefined,
    ...plainCommands(env),
    importImage: async (tarPath) => {
      await container.copyFilesToContainer([{ source: tarPath, target: "/tmp/image.tar" }]);
      const imported = await container.exec(["ctr", "images", "import", "/tmp/image.tar"]);
      if (imported.exitCode !== 0) {
        throw new Error(`importing ${tarPath} into k3s failed: ${imported.output}`);
      }
    },
    processes: {},
  };
}

async function gatewayOf(container: StartedTestContainer): Promise<string> {
  const { output } = await container.exec(["ip", "route", "show", "default"]);
  const gateway = /via (\S+)/.exec(output)?.[1];
  if (gateway === undefined) {
    throw new Error(`k3s has no default route: ${output}`);
  }
  return gateway;
}
