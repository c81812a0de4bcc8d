/**
 * Fields that Knative takes only with a feature flag (knative.dev/serving
 * pkg/apis/config/features.go; docs: "feature and extension flags"). Its own answer to one that is
 * switched off is `must not set the field(s): spec.template.spec.nodeSelector`, to the controller
 * alone.
 */
import type { KnativeServiceContainer, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import type { ConfigMapData } from "./facts.ts";

export interface FeatureUse {
  readonly flag: string;
  /** Below spec.<component>. */
  readonly field: string;
  readonly used: (pod: KnativeServicePodSpec) => boolean;
  /** Whether Knative ships it switched on. */
  readonly shippedOn?: true;
  /** Whether `allowed` is as good as `enabled`: so it is for what it masks, not for what it validates. */
  readonly allowedWillDo?: true;
}

/** Fields of the pod that each have a flag of their own. */
const POD_FIELDS: readonly (readonly [flag: string, field: string])[] = [
  ["nodeselector", "nodeSelector"],
  ["tolerations", "tolerations"],
  ["affinity", "affinity"],
  ["topologyspreadconstraints", "topologySpreadConstraints"],
  ["hostaliases", "hostAliases"],
  ["runtimeclassname", "runtimeClassName"],
  ["securitycontext", "securityContext"],
  ["priorityclassname", "priorityClassName"],
  ["schedulername", "schedulerName"],
  ["shareprocessnamespace", "shareProcessNamespace"],
  ["hostipc", "hostIPC"],
  ["hostpid", "hostPID"],
  ["hostnetwork", "hostNetwork"],
  ["dnspolicy", "dnsPolicy"],
  ["dnsconfig", "dnsConfig"],
];

/** Kinds of volumes that each have a flag of their own. */
const VOLUMES: readonly (readonly [flag: string, kind: string, shippedOn?: true])[] = [
  ["volumes-emptydir", "emptyDir", true],
  ["volumes-hostpath", "hostPath"],
  ["volumes-csi", "csi"],
  ["volumes-ephemeral", "ephemeral"],
  ["volumes-image", "image"],
];

const POD_SPEC = "kubernetes.podspec-";

export const FEATURES: readonly FeatureUse[] = [
  ...POD_FIELDS.map(([flag, field]) => ({
    flag: `${POD_SPEC}${flag}`,
    field,
    used: (pod: KnativeServicePodSpec) => part(pod, field) !== undefined,
    allowedWillDo: true as const,
  })),
  ...VOLUMES.map(([flag, kind, shippedOn]) => ({
    flag: `${POD_SPEC}${flag}`,
    field: `volumes with ${kind}`,
    used: (pod: KnativeServicePodSpec) => volumes(pod).some((volume) => part(volume, kind)),
    ...(shippedOn === undefined ? {} : { shippedOn }),
  })),
  {
    flag: `${POD_SPEC}init-containers`,
    field: "initContainers (or model.storageUri, with a server that is not Pilotlight's own)",
    used: (pod) => (pod.initContainers?.length ?? 0) > 0,
  },
  {
    flag: `${POD_SPEC}persistent-volume-claim`,
    field: "volumes with persistentVolumeClaim (or a storageUri with pvc://)",
    used: (pod) => volumes(pod).some(({ persistentVolumeClaim }) => persistentVolumeClaim),
  },
  {
    flag: `${POD_SPEC}persistent-volume-write`,
    field: "volumes with a claim that is not read-only",
    used: (pod) =>
      volumes(pod).some(
        ({ persistentVolumeClaim: claim }) => claim && part(claim, "readOnly") !== true,
      ),
  },
  {
    flag: `${POD_SPEC}volumes-mount-propagation`,
    field: "volumeMounts with mountPropagation",
    used: (pod) =>
      allContainers(pod).some(({ volumeMounts = [] }) =>
        volumeMounts.some((mount) => part(mount, "mountPropagation") !== undefined),
      ),
  },
  {
    flag: `${POD_SPEC}fieldref`,
    field: "env with fieldRef or resourceFieldRef",
    allowedWillDo: true,
    used: (pod) =>
      pod.containers.some((container) =>
        (container.env ?? []).some(
          ({ valueFrom = {} }) =>
            part(valueFrom, "fieldRef") !== undefined ||
            part(valueFrom, "resourceFieldRef") !== undefined,
        ),
      ),
  },
  {
    flag: "kubernetes.containerspec-addcapabilities",
    field: "containers' securityContext.capabilities.add",
    used: (pod) =>
      pod.containers.some(
        ({ securityContext }) => (securityContext?.capabilities?.add?.length ?? 0) > 0,
      ),
  },
  {
    flag: "multi-container",
    field: "containers, more than one,",
    used: (pod) => pod.containers.length > 1,
    shippedOn: true,
  },
  {
    flag: "multi-container-probing",
    field: "probes of containers without a port",
    used: (pod) =>
      pod.containers.length > 1 &&
      pod.containers.some(
        ({ ports, readinessProbe, livenessProbe, startupProbe }) =>
          (ports?.length ?? 0) === 0 &&
          (readinessProbe ?? livenessProbe ?? startupProbe) !== undefined,
      ),
  },
];

/** The features that `pod` uses and that are off in config-features. */
export function featuresOff(
  pod: KnativeServicePodSpec,
  features: ConfigMapData,
): readonly FeatureUse[] {
  return FEATURES.filter((feature) => feature.used(pod) && !isAllowed(features, feature));
}

/** Whether the flag, in any case, lets it through. */
function isAllowed(
  features: ConfigMapData,
  { flag, shippedOn, allowedWillDo }: FeatureUse,
): boolean {
  const value = (features[flag] ?? (shippedOn === true ? "enabled" : "disabled")).toLowerCase();
  return value === "enabled" || (value === "allowed" && allowedWillDo === true);
}

/** Those that run first, too: their type leaves open what the CRD leaves open. */
export function allContainers(pod: KnativeServicePodSpec): readonly KnativeServiceContainer[] {
  const first = (pod.initContainers ?? []) as unknown as readonly KnativeServiceContainer[];
  return [...first, ...pod.containers];
}

function volumes(
  pod: KnativeServicePodSpec,
): NonNullable<KnativeServicePodSpec["volumes"]> | readonly [] {
  return pod.volumes ?? [];
}

/** A field that the slice of Knative's types may not have. */
function part(object: object, field: string): unknown {
  return (object as Readonly<Record<string, unknown>>)[field];
}
