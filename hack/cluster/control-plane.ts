import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { stringify } from "yaml";

/** Where one etcd keeps its data and listens: Unix sockets alone, so that it takes no port. */
export interface EtcdSettings {
  readonly dataFolder: string;
  /** A short folder: the path of a Unix socket may have 107 bytes. */
  readonly socketFolder: string;
}

export function etcdClientUrl({ socketFolder }: EtcdSettings): string {
  return `unix://${join(socketFolder, "c")}`;
}

/** Arguments for an etcd of one member that may lose its last writes with the machine's power. */
export function etcdArgs(settings: EtcdSettings): string[] {
  // What is advertised must be a host and port; alone in its cluster, nobody ever dials it.
  const peer = "http://127.0.0.1:2380";
  return [
    "--name=pilotlight",
    `--data-dir=${settings.dataFolder}`,
    `--listen-client-urls=${etcdClientUrl(settings)}`,
    "--advertise-client-urls=http://127.0.0.1:2379",
    `--listen-peer-urls=unix://${join(settings.socketFolder, "p")}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=pilotlight=${peer}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

export interface ApiserverSettings {
  readonly etcdUrl: string;
  readonly bindAddress: string;
  readonly port: number;
  readonly serviceRange: string;
  /** Files that must exist. */
  readonly files: {
    readonly clientAuthority: string;
    readonly cert: string;
    readonly key: string;
    readonly serviceAccountKey: string;
    readonly auditPolicy: string;
  };
  readonly auditLog: string;
}

/** Arguments for a kube-apiserver with RBAC, client certificates, and an audit log of writes. */
export function apiserverArgs(settings: ApiserverSettings): string[] {
  const { files } = settings;
  return [
    `--etcd-servers=${settings.etcdUrl}`,
    `--bind-address=${settings.bindAddress}`,
    `--advertise-address=${settings.bindAddress}`,
    `--secure-port=${settings.port}`,
    `--service-cluster-ip-range=${settings.serviceRange}`,
    `--client-ca-file=${files.clientAuthority}`,
    `--tls-cert-file=${files.cert}`,
    `--tls-private-key-file=${files.key}`,
    "--authorization-mode=Node,RBAC",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-signing-key-file=${files.serviceAccountKey}`,
    `--service-account-key-file=${files.serviceAccountKey}`,
    `--audit-policy-file=${files.auditPolicy}`,
    `--audit-log-path=${settings.auditLog}`,
    // A line is in the file before its request is answered: a test may count at once.
    "--audit-log-mode=blocking",
    "--audit-log-maxsize=100",
    "--audit-log-maxbackup=1",
    "--allow-privileged=true",
    "--profiling=false",
  ];
}

/** Who wrote what, without the bodies; reads leave no line. */
export function auditPolicy(): string {
  return stringify({
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    omitStages: ["RequestReceived", "ResponseStarted"],
    omitManagedFields: true,
    rules: [
      { level: "Metadata", verbs: ["create", "update", "patch", "delete", "deletecollection"] },
      { level: "None" },
    ],
  });
}

/** The key that signs the tokens of service accounts, PEM. */
export function serviceAccountKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return privateKey.export({ type: "pkcs1", format: "pem" }).toString();
}
