/**
 * What the cluster allows, read from Knative's own ConfigMaps. Sources: knative.dev/serving
 * pkg/apis/config (features.go, defaults.go), pkg/autoscaler/config, pkg/deployment, and
 * knative.dev/networking pkg/config; a missing key means Knative's default.
 */

/** `undefined` anywhere means: not known, and what is not known refuses nothing. */
export interface ClusterFacts {
  /** Namespace of Knative Serving's ConfigMaps. */
  readonly knativeNamespace: string;
  readonly features: Readonly<Record<string, string>> | undefined;
  readonly defaults:
    | {
        /** Of a service that names none. */
        readonly timeoutSeconds: number;
        readonly maxTimeoutSeconds: number;
        readonly containerConcurrencyMax: number;
        readonly allowContainerConcurrencyZero: boolean;
      }
    | undefined;
  readonly autoscaler:
    | {
        readonly data: ConfigMapData;
        /** 0 means none. */
        readonly maxScaleLimit: number;
        readonly initialScale: number;
        readonly allowZeroInitialScale: boolean;
        readonly enableScaleToZero: boolean;
      }
    | undefined;
  readonly deployment:
    | {
        readonly progressDeadlineSeconds: number;
        readonly podIsAlwaysSchedulable: boolean;
        /** Registries whose tags Knative leaves alone. */
        readonly registriesSkippingTagResolving: readonly string[];
      }
    | undefined;
  readonly network:
    | {
        readonly ingressClass: string;
        /** Go templates; their text, since only the fields in them are known here. */
        readonly domainTemplate: string;
        readonly tagTemplate: string;
      }
    | undefined;
}

export type ConfigMapData = Readonly<Record<string, string>>;

/** Names of the ConfigMaps that clusterFacts reads. */
export const KNATIVE_CONFIG_MAPS = [
  "config-features",
  "config-defaults",
  "config-autoscaler",
  "config-deployment",
  "config-network",
];

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
  const deployment = find("config-deployment");
  const network = find("config-network");
  return {
    knativeNamespace,
    features: find("config-features"),
    defaults: defaults && {
      timeoutSeconds: number(defaults, "revision-timeout-seconds", 300),
      maxTimeoutSeconds: number(defaults, "max-revision-timeout-seconds", 600),
      containerConcurrencyMax: number(defaults, "container-concurrency-max-limit", 1000),
      allowContainerConcurrencyZero: isTrue(defaults, "allow-container-concurrency-zero", true),
    },
    autoscaler: autoscaler && {
      data: autoscaler,
      maxScaleLimit: number(autoscaler, "max-scale-limit", 0),
      initialScale: number(autoscaler, "initial-scale", 1),
      allowZeroInitialScale: isTrue(autoscaler, "allow-zero-initial-scale", false),
      enableScaleToZero: isTrue(autoscaler, "enable-scale-to-zero", true),
    },
    deployment: deployment && {
      progressDeadlineSeconds: parseDurationSeconds(deployment["progress-deadline"] ?? "") ?? 600,
      podIsAlwaysSchedulable: isTrue(deployment, "pod-is-always-schedulable", false),
      registriesSkippingTagResolving: (
        deployment["registries-skipping-tag-resolving"] ?? "kind.local,ko.local,dev.local"
      )
        .split(",")
        .map((registry) => registry.trim()),
    },
    network: network && {
      ingressClass: either(network, ["ingress-class", "ingress.class"], INGRESS_CLASS),
      domainTemplate: either(network, ["domain-template", "domainTemplate"], DOMAIN_TEMPLATE),
      tagTemplate: either(network, ["tag-template", "tagTemplate"], TAG_TEMPLATE),
    },
  };
}

const INGRESS_CLASS = "istio.ingress.networking.knative.dev";
const DOMAIN_TEMPLATE = "{{.Name}}.{{.Namespace}}.{{.Domain}}";
const TAG_TEMPLATE = "{{.Tag}}-{{.Name}}";

/** Whole seconds of a duration as Go writes it ("1800s", "1h30m"); undefined for anything else. */
export function parseDurationSeconds(text: string): number | undefined {
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  return match === null || text === ""
    ? undefined
    : Number(match[1] ?? 0) * 3600 + Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0);
}

function number(data: ConfigMapData, key: string, fallback: number): number {
  const value = Number(data[key] ?? "");
  return data[key] === undefined || data[key] === "" || !Number.isFinite(value) ? fallback : value;
}

/** As Go's strconv.ParseBool has it, as far as people write it. */
function isTrue(data: ConfigMapData, key: string, fallback: boolean): boolean {
  const value = data[key]?.trim().toLowerCase();
  return value === undefined || value === "" ? fallback : value === "true" || value === "1";
}

/** Knative reads both spellings of these keys, the newer one first. */
function either(data: ConfigMapData, keys: readonly string[], fallback: string): string {
  const key = keys.find((each) => (data[each] ?? "") !== "");
  return key === undefined ? fallback : (data[key] ?? fallback).trim();
}
