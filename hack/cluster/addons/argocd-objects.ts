import { randomBytes } from "node:crypto";
import type { Manifest } from "../built/manifests.ts";

export const ARGOCD_NAMESPACE = "argocd";

const LABELS = { "app.kubernetes.io/part-of": "argocd" };

/** The settings of an Argo CD that has no API server: `config` is the data of argocd-cm. */
export function argocdObjects(config: Readonly<Record<string, string>>): Manifest[] {
  const configMap = (name: string, data: Readonly<Record<string, string>> = {}): Manifest => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: ARGOCD_NAMESPACE, name, labels: LABELS },
    data,
  });
  return [
    configMap("argocd-cm", config),
    ...EMPTY_CONFIG_MAPS.map((name) => configMap(name)),
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: ARGOCD_NAMESPACE, name: "argocd-secret", labels: LABELS },
      stringData: { "server.secretkey": randomBytes(32).toString("base64") },
    },
    {
      apiVersion: "argoproj.io/v1alpha1",
      kind: "AppProject",
      metadata: { namespace: ARGOCD_NAMESPACE, name: "default" },
      spec: {
        sourceRepos: ["*"],
        destinations: [{ namespace: "*", server: "*" }],
        clusterResourceWhitelist: [{ group: "*", kind: "*" }],
      },
    },
  ];
}

/** Argo CD reads all of these and starts without none. */
const EMPTY_CONFIG_MAPS = [
  "argocd-cmd-params-cm",
  "argocd-rbac-cm",
  "argocd-gpg-keys-cm",
  "argocd-ssh-known-hosts-cm",
  "argocd-tls-certs-cm",
];
