/**
 * What the cluster allows, read from Knative's own ConfigMaps. Sources: knative.dev/serving
 * pkg/apis/config (features.go, defaults.go) and pkg/autoscaler/config; a missing key means
 * Knative's default.
 */

/** `undefined` anywhere means: not known, and what is not known refuses nothing. */
export interface ClusterFacts {
  /** Namespace of Knative Serving's ConfigMaps. */
  readonly knativeNamespace: string;
  readonly features: Readonly<Record<string, string>> | undefined;
  readonly defaults:
    | {
        readonly maxTimeoutSeconds: number;
        readonly containerConcurrencyMax: number;
        readonly allowContainerConcurrencyZero: boolean;
      }
    | undefined;
  readonly autoscaler: { readonly maxScaleLimit: number } | undefined;
}

export type ConfigMapData = Readonly<Record<string, string>>;

/** Names of the ConfigMaps that clusterFacts reads. */
export const KNATIVE_CONFIG_MAPS = ["config-features", "config-defaults", "config-autoscaler"];

/**
 * Facts from the `data` of Knative's ConfigMaps; `find` answers undefined for one that cannot be
 * read.
 */
export function clusterFacts(
  knativeNamespace: string,
  find: (name: string) => ConfigMapData | undefined,
): ClusterFacts {
  const defaults = find("config-defaults");
  const autoscaler = find("config-autoscaler");
  return {
    knativeNamespace,
    features: find("config-features"),
    defaults: defaults && {
      maxTimeoutSeconds: number(defaults, "max-revision-timeout-seconds", 600),
      containerConcurrencyMax: number(defaults, "container-concurrency-max-limit", 1000),
      allowContainerConcurrencyZero: defaults["allow-container-concurrency-zero"] !== "false",
    },
    autoscaler: autoscaler && { maxScaleLimit: number(autoscaler, "max-scale-limit", 0) },
  };
}

/**
 * Whether a feature flag that Knative ships switched off is on (`enabled` or `allowed`, in any
 * case).
 */
export function featureAllowed(features: ConfigMapData, flag: string): boolean {
  const value = (features[flag] ?? "disabled").toLowerCase();
  return value === "enabled" || value === "allowed";
}

function number(data: ConfigMapData, key: string, fallback: number): number {
  const value = Number(data[key] ?? "");
  return data[key] === undefined || data[key] === "" || !Number.isFinite(value) ? fallback : value;
}
