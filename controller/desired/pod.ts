/** The pod fields of a component: those that Knative carries, checked; the rest refused. */
import type { PredictorSpec } from "../api/inferenceservice.gen.ts";
import type { KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import type { Refusal } from "./refusal.ts";
import {
  AFFINITY,
  DNS_CONFIG,
  HOST_ALIASES,
  misfit,
  POD_SECURITY_CONTEXT,
  type Shape,
  TOPOLOGY_SPREAD_CONSTRAINTS,
  VOLUMES,
} from "./shapes.ts";

/**
 * Fields that go to Knative as they are (its pkg/apis/serving/fieldmask.go PodSpecMask), beside
 * containers. Which of them need a feature flag: preflight.ts.
 */
const CARRIED = [
  "affinity",
  "topologySpreadConstraints",
  "hostAliases",
  "runtimeClassName",
  "priorityClassName",
  "schedulerName",
  "dnsPolicy",
  "dnsConfig",
  "securityContext",
  "shareProcessNamespace",
  "hostNetwork",
  "hostPID",
  "hostIPC",
  "enableServiceLinks",
  "imagePullSecrets",
  "volumes",
  "serviceAccountName",
  "nodeSelector",
  "tolerations",
] as const;

const SHAPES: readonly (readonly [(typeof CARRIED)[number], Shape])[] = [
  ["affinity", AFFINITY],
  ["topologySpreadConstraints", TOPOLOGY_SPREAD_CONSTRAINTS],
  ["hostAliases", HOST_ALIASES],
  ["dnsConfig", DNS_CONFIG],
  ["securityContext", POD_SECURITY_CONTEXT],
  ["volumes", VOLUMES],
];

/** What a component's spec says of its pods, whichever component it is. */
export type PodFields = Pick<
  PredictorSpec,
  (typeof CARRIED)[number] | "automountServiceAccountToken"
>;

/** The pod fields for Knative, without containers. */
export function podFields(spec: PodFields): Partial<KnativeServicePodSpec> {
  const carried = CARRIED.flatMap((field) => {
    const value = spec[field];
    return value === undefined ? [] : [[field, value] as const];
  });
  return Object.fromEntries(carried) as Partial<KnativeServicePodSpec>;
}

/** What is wrong with the pod fields of the component at `path`, if anything. */
export function checkPodFields(spec: PodFields, path: string): Refusal | undefined {
  if (spec.automountServiceAccountToken === true) {
    return {
      reason: "FieldNotSupported",
      message: `${path}.automountServiceAccountToken is not supported: Knative takes false alone; leave it out: a server of your own with a serviceAccountName gets the token anyway`,
    };
  }
  for (const [field, shape] of SHAPES) {
    const refusal = checkShape(shape, spec[field], `${path}.${field}`);
    if (refusal !== undefined) {
      return refusal;
    }
  }
  return undefined;
}

/** Refuses what `shape` has no place for. */
export function checkShape(shape: Shape, value: unknown, path: string): Refusal | undefined {
  const found = misfit(shape, value, path);
  return found === undefined
    ? undefined
    : {
        reason: "FieldNotSupported",
        message: `${found.path} is no field that Knative carries; it carries here: ${found.known.join(", ")}`,
      };
}
