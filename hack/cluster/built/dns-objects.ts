import { imageOf } from "./images.ts";
import type { Manifest } from "./manifests.ts";
import { CLUSTER_DOMAIN, DNS_SERVICE_ADDRESS } from "./network.ts";

const NAMESPACE = "kube-system";
const NAME = "coredns";
const LABELS = { "k8s-app": "kube-dns" };
/** Above 1023, so that no capability is needed. */
const PORT = 5353;

/** No `forward`: there is nothing to forward to, and a name of outside fails at once. */
const COREFILE = `.:${PORT} {
  errors
  health :8080 {
    lameduck 0s
  }
  ready :8181
  cache 5
  kubernetes ${CLUSTER_DOMAIN} in-addr.arpa {
    ttl 5
  }
}
`;

/** The cluster's DNS: the service address is the one that kubelet writes into every pod. */
export function dnsObjects(): Manifest[] {
  const ports = [
    { name: "dns", port: 53, targetPort: PORT, protocol: "UDP" },
    { name: "dns-tcp", port: 53, targetPort: PORT, protocol: "TCP" },
  ];
  return [
    ...dnsRights(),
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: NAMESPACE, name: NAME },
      data: { Corefile: COREFILE },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: NAMESPACE, name: "kube-dns", labels: LABELS },
      spec: { clusterIP: DNS_SERVICE_ADDRESS, selector: LABELS, ports },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace: NAMESPACE, name: NAME, labels: LABELS },
      spec: {
        replicas: 1,
        selector: { matchLabels: LABELS },
        template: { metadata: { labels: LABELS }, spec: dnsPod() },
      },
    },
  ];
}

function dnsPod(): unknown {
  return {
    serviceAccountName: NAME,
    priorityClassName: "system-cluster-critical",
    dnsPolicy: "Default",
    containers: [
      {
        name: NAME,
        image: imageOf("coredns"),
        args: ["-conf", "/etc/coredns/Corefile"],
        resources: { requests: { cpu: "10m", memory: "40Mi" } },
        readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
      },
    ],
    volumes: [{ name: "config", configMap: { name: NAME } }],
  };
}

function dnsRights(): Manifest[] {
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: NAMESPACE, name: NAME } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: `system:${NAME}` },
      rules: [
        { apiGroups: [""], resources: RESOURCES, verbs: ["list", "watch"] },
        {
          apiGroups: ["discovery.k8s.io"],
          resources: ["endpointslices"],
          verbs: ["list", "watch"],
        },
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: `system:${NAME}` },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        name: `system:${NAME}`,
      },
      subjects: [{ kind: "ServiceAccount", name: NAME, namespace: NAMESPACE }],
    },
  ];
}

const RESOURCES = ["endpoints", "services", "pods", "namespaces"];
