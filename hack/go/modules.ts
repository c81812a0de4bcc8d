/**
 * What can be built from Go modules, and how: the only place that holds their versions.
 * Nothing is vendored; a recipe is a module, a version, and the few lines its go.mod needs.
 */

/** The Kubernetes release of every binary and of the API that the tests run against. */
export const KUBERNETES_VERSION = "v1.36.3";
export const SERVING_VERSION = "v0.48.1";
export const NET_GATEWAY_API_VERSION = "v0.42.0";
export const CONTOUR_VERSION = "v1.33.8";
export const COREDNS_VERSION = "v1.14.5";
export const ARGOCD_VERSION = "v3.6.1";

/** How one binary is built. */
export interface Recipe {
  /** Module whose version decides; the standard library alone when absent. */
  readonly module?: string;
  readonly version: string;
  /** Package to build; with `source`, the name of a folder of src/ that holds a main of ours. */
  readonly package?: string;
  readonly source?: string;
  /** `-X` values stamped into the binary. */
  readonly stamp?: Readonly<Record<string, string>>;
  /** Which lines of the module's own go.mod the build repeats (Go ignores a dependency's). */
  readonly replaces?: "staging" | "remote";
  /** GOTOOLCHAIN, for a module newer than the Go release that the rest needs. */
  readonly toolchain?: string;
}

const kubernetesMinor = KUBERNETES_VERSION.split(".")[1] ?? "";

/** A component of Kubernetes. Knative refuses an API server whose version is not stamped. */
function kubernetes(component: string): Recipe {
  return {
    module: "k8s.io/kubernetes",
    version: KUBERNETES_VERSION,
    package: `k8s.io/kubernetes/cmd/${component}`,
    replaces: "staging",
    stamp: {
      "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
      "k8s.io/component-base/version.gitMajor": "1",
      "k8s.io/component-base/version.gitMinor": kubernetesMinor,
      "k8s.io/component-base/version.gitTreeState": "clean",
    },
  };
}

function knative(component: string): Recipe {
  return {
    module: "knative.dev/serving",
    version: SERVING_VERSION,
    package: `knative.dev/serving/cmd/${component}`,
  };
}

const RECIPES = {
  "kube-apiserver": kubernetes("kube-apiserver"),
  "kube-controller-manager": kubernetes("kube-controller-manager"),
  "kube-scheduler": kubernetes("kube-scheduler"),
  "kube-proxy": kubernetes("kube-proxy"),
  kubelet: kubernetes("kubelet"),
  kubectl: kubernetes("kubectl"),
  etcd: {
    module: "go.etcd.io/etcd/server/v3",
    version: "v3.6.16",
    package: "go.etcd.io/etcd/server/v3",
  },
  coredns: { module: "github.com/coredns/coredns", version: COREDNS_VERSION, source: "coredns" },
  pause: { version: "v1.0.0", source: "pause" },
  "knative-controller": knative("controller"),
  "knative-webhook": knative("webhook"),
  "knative-autoscaler": knative("autoscaler"),
  "knative-activator": knative("activator"),
  "knative-queue": knative("queue"),
  "net-gateway-api": {
    module: "knative.dev/net-gateway-api",
    version: NET_GATEWAY_API_VERSION,
    package: "knative.dev/net-gateway-api/cmd/controller",
  },
  contour: {
    module: "github.com/projectcontour/contour",
    version: CONTOUR_VERSION,
    package: "github.com/projectcontour/contour/cmd/contour",
  },
  helm: {
    module: "helm.sh/helm/v3",
    version: "v3.22.0",
    package: "helm.sh/helm/v3/cmd/helm",
  },
  argocd: {
    module: "github.com/argoproj/argo-cd/v3",
    version: ARGOCD_VERSION,
    package: "github.com/argoproj/argo-cd/v3/cmd",
    replaces: "remote",
    toolchain: "go1.27.0",
  },
  versitygw: {
    module: "github.com/versity/versitygw",
    version: "v1.8.0",
    package: "github.com/versity/versitygw/cmd/versitygw",
  },
  "fake-gcs-server": {
    module: "github.com/fsouza/fake-gcs-server",
    version: "v1.56.1",
    package: "github.com/fsouza/fake-gcs-server",
  },
  "oci-registry": {
    module: "github.com/distribution/distribution/v3",
    version: "v3.1.2",
    package: "github.com/distribution/distribution/v3/cmd/registry",
  },
} satisfies Record<string, Recipe>;

export type BinaryName = keyof typeof RECIPES;

export const BINARY_NAMES = Object.keys(RECIPES) as readonly BinaryName[];

export function isBinaryName(name: string): name is BinaryName {
  return Object.hasOwn(RECIPES, name);
}

export function recipeOf(name: BinaryName): Recipe {
  return RECIPES[name];
}
