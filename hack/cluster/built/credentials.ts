import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { auditPolicy, serviceAccountKey, type ApiserverSettings } from "../control-plane.ts";
import { renderKubeconfig } from "../kubeconfig.ts";
import { createAuthority, type Credential } from "../x509.ts";
import {
  APISERVER_PORT,
  APISERVER_SERVICE_ADDRESS,
  CLUSTER_DOMAIN,
  NODE_ADDRESS,
  NODE_NAME,
} from "./network.ts";
import type { Paths } from "./state.ts";

export const SERVER_URL = `https://${NODE_ADDRESS}:${APISERVER_PORT}`;

/** Kubeconfigs of the cluster's processes, so that the audit log tells them apart. */
const USERS = {
  "kube-controller-manager": ["system:kube-controller-manager", []],
  "kube-scheduler": ["system:kube-scheduler", []],
  "kube-proxy": ["system:kube-proxy", []],
  kubelet: [`system:node:${NODE_NAME}`, ["system:nodes"]],
  // These two read and write what their charts allow them to; on this node nobody else runs.
  contour: ["contour", ["system:masters"]],
  "net-gateway-api": ["net-gateway-api", ["system:masters"]],
} as const satisfies Record<string, readonly [string, readonly string[]]>;

export type Component = keyof typeof USERS;

export function kubeconfigOf(paths: Paths, component: Component): string {
  return join(paths.pki, `${component}.kubeconfig`);
}

export function pkiFiles(paths: Paths): ApiserverSettings["files"] {
  const at = (name: string): string => join(paths.pki, name);
  return {
    clientAuthority: at("authority.crt"),
    cert: at("apiserver.crt"),
    key: at("apiserver.key"),
    serviceAccountKey: at("service-accounts.key"),
    auditPolicy: at("audit-policy.yaml"),
  };
}

/** Writes a new authority's certificates and the kubeconfigs made of them. */
export async function writeCredentials(paths: Paths): Promise<void> {
  await mkdir(paths.pki, { recursive: true, mode: 0o700 });
  const authority = createAuthority("pilotlight");
  const files = pkiFiles(paths);
  const write = async (path: string, text: string): Promise<void> =>
    writeFile(path, text, { mode: 0o600 });
  const writePair = async (name: string, pair: Credential): Promise<void> => {
    await write(join(paths.pki, `${name}.crt`), pair.cert);
    await write(join(paths.pki, `${name}.key`), pair.key);
  };
  const writeKubeconfig = async (
    path: string,
    user: string,
    groups: readonly string[],
  ): Promise<void> => {
    const identity = authority.issueClient(user, groups);
    const input = { server: SERVER_URL, authority: authority.cert, identity, user };
    await write(path, renderKubeconfig(input));
  };
  await write(files.clientAuthority, authority.cert);
  await write(files.serviceAccountKey, serviceAccountKey());
  await write(files.auditPolicy, auditPolicy());
  await writePair("apiserver", authority.issueServer("kube-apiserver", serverNames()));
  await writePair("apiserver-kubelet", authority.issueClient("apiserver", ["system:masters"]));
  await writePair("kubelet-server", authority.issueServer(NODE_NAME, [NODE_NAME, NODE_ADDRESS]));
  for (const [component, [user, groups]] of Object.entries(USERS)) {
    await writeKubeconfig(join(paths.pki, `${component}.kubeconfig`), user, groups);
  }
  await writeKubeconfig(paths.kubeconfig, "admin", ["system:masters"]);
}

function serverNames(): string[] {
  const service = "kubernetes.default.svc";
  return [
    NODE_ADDRESS,
    APISERVER_SERVICE_ADDRESS,
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    service,
    `${service}.${CLUSTER_DOMAIN}`,
  ];
}
