import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBinary, ensureModuleSource } from "../../go/build.ts";
import { ARGOCD_VERSION, recipeOf } from "../../go/modules.ts";
import { readManifests } from "../built/manifests.ts";
import type { Cluster } from "../cluster.ts";
import { assertRunning, killProcess, type Daemon } from "../daemon.ts";
import { ensurePackages } from "../packages.ts";
import { argocdObjects, ARGOCD_NAMESPACE } from "./argocd-objects.ts";
import { answersHttp, clusterHost, startOnFreePort, type Host } from "./host.ts";

export interface ArgocdOptions {
  /**
   * Data of the ConfigMap argocd-cm, for instance a health check in Lua under
   * "resource.customizations.health.pilotlight.dev_InferenceService".
   */
  readonly config?: Readonly<Record<string, string>>;
  /** How often Git is asked for something new; 5 unless told. */
  readonly resyncSeconds?: number;
}

/** A real Argo CD without its API server and user interface. */
export interface Argocd {
  /** The namespace in which it looks for Applications. */
  readonly namespace: string;
  /** The last lines of what its processes wrote, for a failing test's message. */
  readonly logs: () => Promise<string>;
  readonly assertRunning: () => Promise<void>;
  /** Ends its processes; its namespace and definitions are removed too. */
  readonly stop: () => Promise<void>;
}

const LOOPBACK = "127.0.0.1";
const DEFINITIONS = ["application-crd", "appproject-crd", "applicationset-crd"];
const MODULE = "github.com/argoproj/argo-cd/v3";

/**
 * Starts Argo CD's repository server and application controller with a Redis of their own, next
 * to the cluster's node. Applications may name repositories by file:///path. The first start on
 * a machine builds Argo CD and Helm, which takes minutes.
 */
export async function startArgocd(cluster: Cluster, options: ArgocdOptions = {}): Promise<Argocd> {
  await ensurePackages("argocd");
  const source = await ensureModuleSource(MODULE, ARGOCD_VERSION, recipeOf("argocd").toolchain);
  const folder = await mkdtemp(join(tmpdir(), "plargo-"));
  const daemons: Daemon[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(daemons.map(killProcess));
    await uninstall(cluster, source);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await install(cluster, source, options.config ?? {});
    const env = await writeEnvironment(folder, source, cluster.env);
    const start = processStarter(cluster, { folder, env, daemons });
    const redis = await start("redis", redisServer);
    const repository = await start("argocd-repo-server", repositoryServer(redis));
    const resyncSeconds = options.resyncSeconds ?? 5;
    const ports = { redis, repository, resyncSeconds };
    await start("argocd-application-controller", applicationController(ports));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    namespace: ARGOCD_NAMESPACE,
    logs: async () => (await Promise.all(daemons.map(logTail))).join("\n"),
    assertRunning: async () => {
      await Promise.all(daemons.map(assertRunning));
    },
    stop,
  };
}

/** One process: how it is started on a port, and how one sees that it answers there. */
interface Service {
  readonly command: (port: number) => readonly string[];
  readonly isReady: (host: Host, port: number) => Promise<boolean>;
}

const redisServer: Service = {
  command: (port) => [
    "redis-server",
    "--port",
    String(port),
    "--bind",
    LOOPBACK,
    "--save",
    "",
    "--appendonly",
    "no",
  ],
  isReady: async (host, port) => {
    const probe = `exec 3<>/dev/tcp/${LOOPBACK}/${port} && printf 'PING\\r\\n' >&3 && head -c 5 <&3`;
    const answer = await host.exec("timeout", ["5", "bash", "-c", probe], { tolerate: true });
    return answer.stdout === "+PONG";
  },
};

/** The port is that of its metrics, which tell by HTTP that it runs; the next one is gRPC's. */
function repositoryServer(redisPort: number): Service {
  return {
    command: (port) => [
      "argocd-repo-server",
      `--address=${LOOPBACK}`,
      `--port=${port + 1}`,
      `--metrics-address=${LOOPBACK}`,
      `--metrics-port=${port}`,
      `--redis=${LOOPBACK}:${redisPort}`,
      "--disable-tls",
      "--client-ca-path=",
      // A new commit is seen at the next resync, not minutes later.
      "--revision-cache-expiration=1s",
    ],
    isReady: httpReady("/healthz"),
  };
}

function applicationController(of: {
  readonly redis: number;
  readonly repository: number;
  readonly resyncSeconds: number;
}): Service {
  return {
    command: (port) => [
      "argocd-application-controller",
      `--namespace=${ARGOCD_NAMESPACE}`,
      `--metrics-port=${port}`,
      `--redis=${LOOPBACK}:${of.redis}`,
      `--repo-server=${LOOPBACK}:${of.repository + 1}`,
      "--repo-server-plaintext",
      `--app-resync=${of.resyncSeconds}`,
      "--app-resync-jitter=0",
      "--self-heal-timeout-seconds=1",
      // Otherwise a resource's health and its message are in Redis alone.
      "--persist-resource-health",
    ],
    isReady: httpReady("/healthz"),
  };
}

function httpReady(path: string): Service["isReady"] {
  return async (host, port) => answersHttp(host, `http://${LOOPBACK}:${port}${path}`);
}

interface StarterParts {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly daemons: Daemon[];
}

function processStarter(
  cluster: Cluster,
  { folder, env, daemons }: StarterParts,
): (name: string, service: Service) => Promise<number> {
  const host = clusterHost(cluster);
  return async (name, { command, isReady }) => {
    const { daemon, port } = await startOnFreePort(
      async (port) => {
        const [program = "", ...args] = command(port);
        const logPath = join(folder, `${name}.log`);
        const server = { name, command: program, args, logPath };
        return cluster.startServer({ ...server, env: { ...env, ARGOCD_BINARY_NAME: name } });
      },
      async (port) => isReady(host, port),
    );
    daemons.push(daemon);
    return port;
  };
}

/** Argo CD's one binary acts by the name it is called by. */
async function writeEnvironment(
  folder: string,
  source: string,
  env: NodeJS.ProcessEnv,
): Promise<NodeJS.ProcessEnv> {
  const bin = join(folder, "bin");
  const work = join(folder, "tmp");
  const gitConfig = join(folder, "gitconfig");
  await mkdir(bin);
  await mkdir(work);
  const argocd = await ensureBinary("argocd");
  for (const name of ["argocd-repo-server", "argocd-application-controller"]) {
    await symlink(argocd, join(bin, name));
  }
  await symlink(await ensureBinary("helm"), join(bin, "helm"));
  const wrapper = await readFile(join(source, "hack", "git-verify-wrapper.sh"));
  await writeFile(join(bin, "git-verify-wrapper.sh"), wrapper, { mode: 0o755 });
  await writeFile(gitConfig, '[safe]\n\tdirectory = *\n[protocol "file"]\n\tallow = always\n');
  return {
    ...env,
    PATH: `${bin}:${env.PATH ?? ""}`,
    TMPDIR: work,
    HOME: folder,
    HOSTNAME: "argocd-application-controller-0",
    GIT_CONFIG_GLOBAL: gitConfig,
    GIT_CONFIG_NOSYSTEM: "1",
    ARGOCD_FAKE_IN_CLUSTER: "true",
    ARGOCD_GPG_ENABLED: "false",
    ARGOCD_TLS_DATA_PATH: work,
    ARGOCD_SSH_DATA_PATH: work,
  };
}

async function install(
  cluster: Cluster,
  source: string,
  config: Readonly<Record<string, string>>,
): Promise<void> {
  const apply = async (items: readonly unknown[]): Promise<void> => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    const words = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    await cluster.exec("kubectl", words, { input });
  };
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: ARGOCD_NAMESPACE },
  };
  await apply([namespace, ...(await definitions(source))]);
  const established = ["--for=condition=Established", "--timeout=60s"];
  const names = ["applications", "appprojects"].map((name) => `crd/${name}.argoproj.io`);
  await cluster.exec("kubectl", ["wait", ...established, ...names]);
  await apply(argocdObjects(config));
}

/** Applications that are left have a finalizer that nobody would serve any more. */
async function uninstall(cluster: Cluster, source: string): Promise<void> {
  const kubectl = async (...args: string[]): Promise<string> =>
    (await cluster.exec("kubectl", args, { tolerate: true })).stdout;
  const scope = ["--namespace", ARGOCD_NAMESPACE];
  const left = await kubectl("get", "applications.argoproj.io", ...scope, "--output=name");
  for (const name of left.split("\n").filter((line) => line !== "")) {
    const patch = '--patch={"metadata":{"finalizers":null}}';
    await kubectl("patch", name, ...scope, "--type=merge", patch);
  }
  await kubectl("delete", "namespace", ARGOCD_NAMESPACE, "--ignore-not-found");
  const items = await definitions(source);
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const words = ["delete", "--ignore-not-found", "--filename", "-"];
  await cluster.exec("kubectl", words, { input, tolerate: true });
}

async function definitions(source: string): Promise<readonly unknown[]> {
  const files = DEFINITIONS.map((name) => join(source, "manifests", "crds", `${name}.yaml`));
  return (await Promise.all(files.map(readManifests))).flat();
}

async function logTail(daemon: Daemon): Promise<string> {
  const text = await readFile(daemon.logPath, "utf8").catch(() => "");
  return `== ${daemon.name}\n${text.split("\n").slice(-40).join("\n")}`;
}
