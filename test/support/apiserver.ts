import { randomUUID } from "node:crypto";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  apiserverArgs,
  auditPolicy,
  etcdArgs,
  etcdClientUrl,
  serviceAccountKey,
  type ApiserverSettings,
} from "../../hack/cluster/control-plane.ts";
import {
  assertRunning,
  killProcess,
  signalProcess,
  startDaemon,
  type Daemon,
} from "../../hack/cluster/daemon.ts";
import { renderKubeconfig, type Identity } from "../../hack/cluster/kubeconfig.ts";
import { callKube, expectKube, type KubeEndpoint } from "../../hack/cluster/kube-request.ts";
import { waitFor } from "../../hack/cluster/wait.ts";
import { createAuthority, type Authority } from "../../hack/cluster/x509.ts";
import { freePort } from "../../hack/free-port.ts";
import { ensureBinary } from "../../hack/go/build.ts";

export interface ApiserverOptions {
  /** More arguments for kube-apiserver, for instance feature gates. */
  readonly args?: readonly string[];
}

/** A real kube-apiserver on a real etcd, both of this process alone. */
export interface Apiserver {
  /** Path of a kubeconfig whose user may do everything (group system:masters). */
  readonly kubeconfig: string;
  readonly url: string;
  /** The administrator's certificate, for calls without a client library. */
  readonly endpoint: KubeEndpoint;
  /** File with a line for each write (readAudit reads it). */
  readonly auditLog: string;
  /** Path of a kubeconfig for a user by this name, with no right but what RBAC gives him. */
  readonly userKubeconfig: (user: string, groups?: readonly string[]) => Promise<string>;
  /** Path of a kubeconfig with a token of this ServiceAccount, which must exist. */
  readonly serviceAccountKubeconfig: (namespace: string, name: string) => Promise<string>;
  /** Ends kube-apiserver at once (SIGKILL); etcd keeps the objects. */
  readonly kill: () => Promise<void>;
  /** Starts kube-apiserver again on the same port after kill(). */
  readonly start: () => Promise<void>;
  /** Freezes kube-apiserver: connections stay open and nothing is answered. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends both processes and removes their folder. */
  readonly stop: () => Promise<void>;
}

const READY_TIMEOUT_MS = 60_000;
const PORT_ATTEMPTS = 5;

/**
 * Starts etcd and kube-apiserver on loopback in a temporary folder, ready when it resolves
 * (about 3 s). Binaries come from KUBEBUILDER_ASSETS when set, else they are built, which takes
 * minutes the first time on a machine. They end with this process, whatever ends it.
 */
export async function startApiserver(options: ApiserverOptions = {}): Promise<Apiserver> {
  const folder = await mkdtemp(join(tmpdir(), "plapi-"));
  try {
    return await startIn(folder, options);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(folder: string, options: ApiserverOptions): Promise<Apiserver> {
  const [etcdPath, apiserverPath] = await assets();
  const authority = createAuthority("pilotlight-test");
  const files = await writeFiles(folder, authority);
  const etcdSettings = { dataFolder: join(folder, "etcd"), socketFolder: folder };
  const etcd = await startDaemon({
    name: "etcd",
    command: etcdPath,
    args: etcdArgs(etcdSettings),
    logPath: join(folder, "etcd.log"),
    outlive: false,
  });
  const admin = authority.issueClient("test-admin", ["system:masters"]);
  const auditLog = join(folder, "audit.log");
  const launch = async (port: number): Promise<Running> => {
    const endpoint = { url: `https://127.0.0.1:${port}`, authority: authority.cert, ...admin };
    const settings = {
      etcdUrl: etcdClientUrl(etcdSettings),
      bindAddress: "127.0.0.1",
      port,
      serviceRange: "10.96.0.0/16",
      files,
      auditLog,
    };
    const daemon = await startDaemon({
      name: "kube-apiserver",
      command: apiserverPath,
      args: [...apiserverArgs(settings), ...(options.args ?? [])],
      logPath: join(folder, "kube-apiserver.log"),
      outlive: false,
    });
    await ready(endpoint, [daemon, etcd]);
    return { daemon, endpoint, port };
  };
  try {
    const first = await launchAny(launch);
    const kubeconfig = await writeKubeconfig(folder, first.endpoint, "test-admin", admin);
    return handle({ folder, kubeconfig, authority, auditLog, etcd, launch, first });
  } catch (error) {
    await killProcess(etcd);
    throw error;
  }
}

interface Running {
  readonly daemon: Daemon;
  readonly endpoint: KubeEndpoint;
  readonly port: number;
}

/** A port that was free a moment ago may be taken: another one is tried. */
async function launchAny(launch: (port: number) => Promise<Running>): Promise<Running> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await launch(await freePort());
    } catch (error) {
      if (attempt === PORT_ATTEMPTS || !String(error).includes("address already in use")) {
        throw error;
      }
    }
  }
}

async function ready(endpoint: KubeEndpoint, daemons: readonly Daemon[]): Promise<void> {
  await waitFor(
    "kube-apiserver is ready",
    async () => {
      const answer = await callKube(endpoint, { path: "/readyz", timeoutMs: 5000 });
      // The namespace that most objects live in is made shortly after readiness.
      const path = "/api/v1/namespaces/default";
      const namespace = answer.status === 200 ? await callKube(endpoint, { path }) : answer;
      return namespace.status === 200 ? true : undefined;
    },
    {
      timeoutMs: READY_TIMEOUT_MS,
      intervalMs: 50,
      check: async () => {
        await Promise.all(daemons.map(assertRunning));
      },
    },
  );
}

interface Parts {
  readonly folder: string;
  readonly kubeconfig: string;
  readonly authority: Authority;
  readonly auditLog: string;
  readonly etcd: Daemon;
  readonly launch: (port: number) => Promise<Running>;
  readonly first: Running;
}

function handle(parts: Parts): Apiserver {
  const { folder, authority, first } = parts;
  const { endpoint } = first;
  let current = first.daemon;
  return {
    kubeconfig: parts.kubeconfig,
    url: endpoint.url,
    endpoint,
    auditLog: parts.auditLog,
    userKubeconfig: (user, groups = []) =>
      writeKubeconfig(folder, endpoint, user, authority.issueClient(user, groups)),
    serviceAccountKubeconfig: async (namespace, name) => {
      const token = await serviceAccountToken(endpoint, namespace, name);
      const user = `system:serviceaccount:${namespace}:${name}`;
      return writeKubeconfig(folder, endpoint, user, { token });
    },
    kill: async () => killProcess(current),
    start: async () => {
      current = (await parts.launch(first.port)).daemon;
    },
    pause: () => signalProcess(current, "SIGSTOP"),
    resume: () => signalProcess(current, "SIGCONT"),
    stop: async () => {
      // Neither holds anything that outlives its folder: a graceful end would be time lost.
      await Promise.all([killProcess(current), killProcess(parts.etcd)]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeKubeconfig(
  folder: string,
  endpoint: KubeEndpoint,
  user: string,
  identity: Identity,
): Promise<string> {
  const path = join(folder, `${randomUUID()}.kubeconfig`);
  const { url: server, authority } = endpoint;
  await writeFile(path, renderKubeconfig({ server, authority, identity, user }), { mode: 0o600 });
  return path;
}

async function writeFiles(
  folder: string,
  authority: Authority,
): Promise<ApiserverSettings["files"]> {
  const server = authority.issueServer("kube-apiserver", ["127.0.0.1", "localhost"]);
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  return {
    clientAuthority: await write("authority.crt", authority.cert),
    cert: await write("server.crt", server.cert),
    key: await write("server.key", server.key),
    serviceAccountKey: await write("service-accounts.key", serviceAccountKey()),
    auditPolicy: await write("audit-policy.yaml", auditPolicy()),
  };
}

async function serviceAccountToken(
  endpoint: KubeEndpoint,
  namespace: string,
  name: string,
): Promise<string> {
  const answer = await expectKube(endpoint, {
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} },
  });
  const { status } = JSON.parse(answer) as { status?: { token?: string } };
  if (status?.token === undefined) {
    throw new Error(`no token in the answer for ServiceAccount ${namespace}/${name}`);
  }
  return status.token;
}

async function assets(): Promise<[etcd: string, apiserver: string]> {
  const folder = process.env.KUBEBUILDER_ASSETS;
  if (folder === undefined || folder === "") {
    return [await ensureBinary("etcd"), await ensureBinary("kube-apiserver")];
  }
  const paths: [string, string] = [join(folder, "etcd"), join(folder, "kube-apiserver")];
  await Promise.all(
    paths.map(async (path) =>
      access(path).catch((cause: unknown) => {
        throw new Error(`KUBEBUILDER_ASSETS is set, but there is no ${path}`, { cause });
      }),
    ),
  );
  return paths;
}
