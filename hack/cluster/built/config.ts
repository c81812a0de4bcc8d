import { join } from "node:path";
import { stringify } from "yaml";
import {
  CLUSTER_DOMAIN,
  CONTAINERD_SOCKET,
  DNS_SERVICE_ADDRESS,
  NODE_ADDRESS,
  NODE_NAME,
  POD_RANGE,
} from "./network.ts";
import type { Paths } from "./state.ts";

/** Images that a cluster of ours runs by name: dev.local is never looked up in a registry. */
export function imageTag(name: string, version: string): string {
  return `dev.local/${name}:${version}`;
}

/** containerd with runc and the CNI plugins of Debian, everything below the state folder. */
export function containerdConfig(paths: Paths, pauseImage: string): string {
  return `version = 2
root = "${join(paths.folder, "containerd")}"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "${CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # Without CAP_SYS_RESOURCE a lower score than our own is refused, and with it every pod.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${join(paths.config, "cni")}"
`;
}

/** Pods hang on one bridge; the node is its gateway. */
export function cniConfig(): string {
  const bridge = {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    isDefaultGateway: true,
    ipMasq: false,
    hairpinMode: true,
    ipam: { type: "host-local", ranges: [[{ subnet: POD_RANGE }]] },
  };
  const portmap = { type: "portmap", capabilities: { portMappings: true } };
  return JSON.stringify({ cniVersion: "0.4.0", name: "pods", plugins: [bridge, portmap] });
}

export function kubeletConfig(paths: Paths): string {
  return stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: NODE_ADDRESS,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(paths.pki, "authority.crt") },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: join(paths.pki, "kubelet-server.crt"),
    tlsPrivateKeyFile: join(paths.pki, "kubelet-server.key"),
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${paths.cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    oomScoreAdj: 0,
    clusterDomain: CLUSTER_DOMAIN,
    clusterDNS: [DNS_SERVICE_ADDRESS],
    resolvConf: "/dev/null",
    volumePluginDir: join(paths.folder, "volume-plugins"),
    // A full disk of a shared machine is no reason to evict pods, nor to collect the images,
    // which no registry could bring back.
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "1%",
      "nodefs.inodesFree": "1%",
      "imagefs.available": "1%",
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    registryPullQPS: 0,
  });
}

export function kubeProxyConfig(kubeconfig: string): string {
  return stringify({
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig },
    mode: "iptables",
    clusterCIDR: POD_RANGE,
    hostnameOverride: NODE_NAME,
    // The size of the connection table belongs to the machine, not to this namespace.
    conntrack: { maxPerCore: 0, min: 0 },
    oomScoreAdj: 0,
  });
}

/** Contour serves one Gateway; ExternalName is how Knative's cluster-local names reach it. */
export function contourConfig(gateway: { namespace: string; name: string }): string {
  return stringify({
    gateway: { gatewayRef: gateway },
    enableExternalNameService: true,
  });
}
