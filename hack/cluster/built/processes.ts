import { join } from "node:path";
import type { BinaryName } from "../../go/modules.ts";
import { apiserverArgs, etcdArgs, etcdClientUrl } from "../control-plane.ts";
import { kubeconfigOf, pkiFiles, type Component } from "./credentials.ts";
import {
  APISERVER_PORT,
  CLUSTER_DOMAIN,
  NODE_ADDRESS,
  NODE_NAME,
  POD_RANGE,
  SERVICE_RANGE,
  XDS_PORT,
} from "./network.ts";
import type { Paths } from "./state.ts";

/** Binaries that run as processes of the node. */
export const NODE_BINARIES = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "kubelet",
  "contour",
  "net-gateway-api",
] as const satisfies readonly BinaryName[];

export type NodeBinaries = Readonly<Record<(typeof NODE_BINARIES)[number] | "envoy", string>>;

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The folder of etcd's sockets, inside the cluster's own /run. */
const ETCD_SETTINGS_SOCKETS = "/run/etcd";

export function etcd(paths: Paths, binaries: NodeBinaries): ProcessSpec {
  return { name: "etcd", command: binaries.etcd, args: etcdArgs(etcdSettings(paths)) };
}

export function containerd(paths: Paths): ProcessSpec {
  const args = ["--config", join(paths.config, "containerd.toml")];
  return { name: "containerd", command: "containerd", args };
}

export function apiserver(paths: Paths, binaries: NodeBinaries): ProcessSpec {
  const settings = {
    etcdUrl: etcdClientUrl(etcdSettings(paths)),
    bindAddress: NODE_ADDRESS,
    port: APISERVER_PORT,
    serviceRange: SERVICE_RANGE,
    files: pkiFiles(paths),
    auditLog: paths.auditLog,
  };
  const kubelet = [
    `--kubelet-client-certificate=${join(paths.pki, "apiserver-kubelet.crt")}`,
    `--kubelet-client-key=${join(paths.pki, "apiserver-kubelet.key")}`,
    `--kubelet-certificate-authority=${join(paths.pki, "authority.crt")}`,
    "--kubelet-preferred-address-types=InternalIP",
  ];
  return {
    name: "kube-apiserver",
    command: binaries["kube-apiserver"],
    args: [...apiserverArgs(settings), ...kubelet],
  };
}

/** What makes, schedules and connects pods, once the API server answers. */
export function controlComponents(paths: Paths, binaries: NodeBinaries): ProcessSpec[] {
  const kubeconfig = (name: Component): string => `--kubeconfig=${kubeconfigOf(paths, name)}`;
  const files = pkiFiles(paths);
  return [
    {
      name: "kube-controller-manager",
      command: binaries["kube-controller-manager"],
      args: [
        kubeconfig("kube-controller-manager"),
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        `--service-account-private-key-file=${files.serviceAccountKey}`,
        `--root-ca-file=${files.clientAuthority}`,
        `--cluster-cidr=${POD_RANGE}`,
        "--bind-address=127.0.0.1",
      ],
    },
    {
      name: "kube-scheduler",
      command: binaries["kube-scheduler"],
      args: [kubeconfig("kube-scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"],
    },
    {
      name: "kube-proxy",
      command: binaries["kube-proxy"],
      args: [`--config=${join(paths.config, "kube-proxy.yaml")}`],
    },
  ];
}

/** What runs pods, once their images are there: before that it would wait longer and longer. */
export function kubelet(paths: Paths, binaries: NodeBinaries): ProcessSpec {
  return {
    name: "kubelet",
    command: binaries.kubelet,
    args: [
      `--kubeconfig=${kubeconfigOf(paths, "kubelet")}`,
      `--config=${join(paths.config, "kubelet.yaml")}`,
      `--root-dir=${join(paths.folder, "kubelet")}`,
      `--hostname-override=${NODE_NAME}`,
      `--node-ip=${NODE_ADDRESS}`,
    ],
  };
}

/** What brings requests from outside to pods, once the kinds it watches exist. */
export function ingressComponents(paths: Paths, binaries: NodeBinaries): ProcessSpec[] {
  return [
    {
      name: "contour",
      command: binaries.contour,
      args: [
        "serve",
        "--insecure",
        "--disable-leader-election",
        `--kubeconfig=${kubeconfigOf(paths, "contour")}`,
        `--config-path=${join(paths.config, "contour.yaml")}`,
        "--xds-address=127.0.0.1",
        `--xds-port=${XDS_PORT}`,
      ],
    },
    {
      name: "envoy",
      command: binaries.envoy,
      args: [
        "--config-path",
        envoyBootstrap(paths),
        "--service-cluster",
        "contour",
        "--service-node",
        "envoy",
        "--log-level",
        "warn",
        "--concurrency",
        "2",
        // Hot restart claims names of shared memory that the machine has only once.
        "--disable-hot-restart",
      ],
    },
    {
      name: "net-gateway-api",
      command: binaries["net-gateway-api"],
      args: ["--disable-ha"],
      env: {
        KUBECONFIG: kubeconfigOf(paths, "net-gateway-api"),
        SYSTEM_NAMESPACE: "knative-serving",
        POD_NAMESPACE: "knative-serving",
        POD_NAME: "net-gateway-api",
        CONFIG_LOGGING_NAME: "config-logging",
        CONFIG_OBSERVABILITY_NAME: "config-observability",
        METRICS_DOMAIN: "knative.dev/net-gateway-api",
        CLUSTER_DOMAIN,
      },
    },
  ];
}

/** Arguments for the run of Contour that writes Envoy's first configuration. */
export function bootstrapArgs(paths: Paths): string[] {
  return [
    "bootstrap",
    envoyBootstrap(paths),
    "--admin-address=/run/envoy.sock",
    "--xds-address=127.0.0.1",
    `--xds-port=${XDS_PORT}`,
  ];
}

function envoyBootstrap(paths: Paths): string {
  return join(paths.config, "envoy.json");
}

function etcdSettings(paths: Paths): { dataFolder: string; socketFolder: string } {
  return { dataFolder: join(paths.folder, "etcd"), socketFolder: ETCD_SETTINGS_SOCKETS };
}
