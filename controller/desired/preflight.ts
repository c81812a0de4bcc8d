/**
 * What the cluster would refuse, ignore or do otherwise than expected, found before anything is
 * applied, each with the command that changes it. One table; a check that lacks a fact finds
 * nothing.
 */
import type { KnativeService, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import type { ComponentName } from "../api/names.ts";
import { autoscalingValues } from "./autoscaling-values.ts";
import { isExtended } from "./extended-resources.ts";
import { allContainers, featuresOff } from "./features.ts";
import { type ClusterFacts, parseDurationSeconds } from "./facts.ts";
import { hostName, longLabel } from "./host-names.ts";
import type { Refusal } from "./refusal.ts";
import type { Warning } from "./warning.ts";

export interface Preflight {
  /** The first thing that this cluster does not allow. */
  readonly refusal?: Refusal;
  readonly warnings: readonly Warning[];
}

/** What a check looks at. */
interface Subject {
  /** spec.<component>, for sentences. */
  readonly at: string;
  readonly service: KnativeService;
  readonly pod: KnativeServicePodSpec;
  readonly annotations: Readonly<Record<string, string>>;
  readonly facts: ClusterFacts;
  /** Fields that the user did not write, and what brought them. */
  readonly brought: Readonly<Record<string, string>>;
  /** Tags that its traffic may come to have beside those that it has. */
  readonly tags: readonly string[];
}

interface Check {
  /** PascalCase, stable; listed in docs/api/inferenceservice.md. */
  readonly reason: string;
  /** Whether it could not work at all, as far as the cluster's configuration says. */
  readonly refuses: boolean;
  /** The sentence, or undefined when there is nothing to say. */
  readonly finds: (subject: Subject) => string | undefined;
}

const CHECKS: readonly Check[] = [
  { reason: "KnativeFeatureDisabled", refuses: true, finds: disabledFeatures },
  { reason: "TimeoutOverClusterMaximum", refuses: true, finds: timeoutOver },
  { reason: "ScaleOverClusterMaximum", refuses: true, finds: scaleOver },
  { reason: "ConcurrencyOverClusterMaximum", refuses: true, finds: concurrencyOver },
  { reason: "ConcurrencyMustBeLimited", refuses: true, finds: concurrencyUnlimited },
  { reason: "ZeroInitialScaleForbidden", refuses: true, finds: zeroInitialScaleForbidden },
  { reason: "HostNameTooLong", refuses: true, finds: hostNameTooLong },
  { reason: "NodesOnDemandUnsupported", refuses: false, finds: nodesOnDemand },
  { reason: "ScaleToZeroDisabled", refuses: false, finds: neverZero },
  { reason: "RevisionsUntried", refuses: false, finds: revisionsUntried },
  { reason: "StartupProbeOverDeadline", refuses: false, finds: probeOverDeadline },
  { reason: "ImageTagUnresolvable", refuses: false, finds: localImage },
  { reason: "IngressClassUnknown", refuses: false, finds: unknownIngress },
];

/** Every reason that a cluster's configuration can give. */
export const PREFLIGHT_REASONS: readonly string[] = CHECKS.map(({ reason }) => reason);

/** What `facts` say of `service`, which is the component's. */
export function preflight(
  component: ComponentName,
  service: KnativeService,
  facts: ClusterFacts,
  { brought = {}, tags = [] }: Partial<Pick<Subject, "brought" | "tags">> = {},
): Preflight {
  const template = service.spec?.template;
  const pod = template?.spec;
  if (pod === undefined) {
    return { warnings: [] };
  }
  const annotations = template?.metadata?.annotations ?? {};
  const subject = { at: `spec.${component}`, service, pod, annotations, facts, brought, tags };
  const found = CHECKS.flatMap(({ reason, refuses, finds }) => {
    const message = finds(subject);
    return message === undefined ? [] : [{ reason, message, refuses }];
  });
  const refusal = found.find(({ refuses }) => refuses);
  return {
    ...(refusal === undefined
      ? {}
      : { refusal: { reason: refusal.reason, message: refusal.message } }),
    warnings: found
      .filter(({ refuses }) => !refuses)
      .map(({ reason, message }) => ({ reason, message })),
  };
}

/** All missing features in one sentence and one command, so that nobody comes back for each. */
function disabledFeatures({ at, pod, facts, brought }: Subject): string | undefined {
  const off = facts.features === undefined ? [] : featuresOff(pod, facts.features);
  if (off.length === 0) {
    return undefined;
  }
  const fields = off.map(({ field }) => `${at}.${brought[field] ?? field}`).join(" and ");
  const flags = off.map(({ flag }) => flag).join(" and ");
  const fix = Object.fromEntries(off.map(({ flag }) => [flag, "enabled"]));
  return (
    `${fields} ${off.length === 1 ? "needs" : "need"} ${flags}, which this cluster's Knative has switched off; ` +
    `to allow: ${patch(facts, "config-features", fix)}`
  );
}

function timeoutOver({ at, pod, facts }: Subject): string | undefined {
  const { defaults } = facts;
  const timeout = pod.timeoutSeconds;
  if (defaults === undefined || timeout === undefined || timeout <= defaults.maxTimeoutSeconds) {
    return undefined;
  }
  const fix = { "max-revision-timeout-seconds": String(timeout) };
  return (
    `${at}.timeout is ${timeout} s, but this cluster's Knative allows ${defaults.maxTimeoutSeconds} s at most; ` +
    `lower it, or: ${patch(facts, "config-defaults", fix)}`
  );
}

function scaleOver({ at, annotations, facts }: Subject): string | undefined {
  const limit = facts.autoscaler?.maxScaleLimit ?? 0;
  const stated = autoscalingValues(annotations)["max-scale"];
  const maxScale = Number(stated ?? 0);
  // Without a word of the user's the cluster's own default counts, which Knative keeps within the
  // limit.
  if (limit === 0 || stated === undefined || (maxScale > 0 && maxScale <= limit)) {
    return undefined;
  }
  const fix = { "max-scale-limit": String(maxScale) };
  return (
    `${at}.maxReplicas must be between 1 and ${limit}: this cluster's Knative sets max-scale-limit; ` +
    `set it so, or: ${patch(facts, "config-autoscaler", fix)}`
  );
}

function concurrencyOver({ at, pod, facts }: Subject): string | undefined {
  const { containerConcurrency: wanted = 0 } = pod;
  const most = facts.defaults?.containerConcurrencyMax ?? Infinity;
  const fix = { "container-concurrency-max-limit": String(wanted) };
  return wanted <= most
    ? undefined
    : `${at}.containerConcurrency is ${wanted}, but this cluster's Knative allows ${most} at most; ` +
        `lower it, or: ${patch(facts, "config-defaults", fix)}`;
}

function concurrencyUnlimited({ at, pod, facts }: Subject): string | undefined {
  const fix = { "allow-container-concurrency-zero": "true" };
  return pod.containerConcurrency === 0 && facts.defaults?.allowContainerConcurrencyZero === false
    ? `${at}.containerConcurrency must be 1 or more: this cluster's Knative allows no unlimited services; ` +
        `set it, or: ${patch(facts, "config-defaults", fix)}`
    : undefined;
}

const INITIAL_SCALE = "autoscaling.knative.dev/initial-scale";

function zeroInitialScaleForbidden({ annotations, facts }: Subject): string | undefined {
  const forbidden = facts.autoscaler?.allowZeroInitialScale === false;
  const fix = { "allow-zero-initial-scale": "true" };
  return forbidden && Number(annotations[INITIAL_SCALE] ?? 1) === 0
    ? `the annotation ${INITIAL_SCALE} is 0 (strategy Recreate needs it so), which this cluster's Knative forbids; ` +
        `leave both out, or: ${patch(facts, "config-autoscaler", fix)}`
    : undefined;
}

function hostNameTooLong({ service, facts, tags: later }: Subject): string | undefined {
  const { network } = facts;
  const { name, namespace } = service.metadata ?? {};
  if (network === undefined || name === undefined || namespace === undefined) {
    return undefined;
  }
  const tags = [...(service.spec?.traffic ?? []).flatMap(({ tag }) => tag ?? []), ...later];
  for (const tag of [undefined, ...tags]) {
    const host = hostName({ name, namespace, ...(tag === undefined ? {} : { tag }) }, network);
    const label = host === undefined ? undefined : longLabel(host);
    if (label !== undefined) {
      return (
        `with this cluster's domain-template (${network.domainTemplate}) the host name would begin with ${label}, ` +
        `which has ${label.length} characters, and DNS allows 63; shorten metadata.name or the namespace by ${label.length - 63}`
      );
    }
  }
  return undefined;
}

/** knative/serving#9531: an unschedulable pod is a verdict, not a wait, unless this is set. */
function nodesOnDemand({ at, pod, facts }: Subject): string | undefined {
  const devices = pod.containers.flatMap(({ resources }) =>
    Object.keys(resources?.limits ?? {}).filter(isExtended),
  );
  const [device] = devices;
  return device !== undefined && facts.deployment?.podIsAlwaysSchedulable === false
    ? `${at} needs ${device}: if such nodes are added on demand, Knative gives the revision up before one is there; ` +
        `to have it wait: ${patch(facts, "config-deployment", { "pod-is-always-schedulable": "true" })}`
    : undefined;
}

function neverZero({ at, annotations, facts }: Subject): string | undefined {
  const toZero = Number(annotations["autoscaling.knative.dev/min-scale"] ?? 0) === 0;
  return toZero && facts.autoscaler?.enableScaleToZero === false
    ? `${at} will keep a pod: this cluster's Knative never scales to zero; ` +
        `to allow: ${patch(facts, "config-autoscaler", { "enable-scale-to-zero": "true" })}`
    : undefined;
}

function revisionsUntried({ annotations, facts }: Subject): string | undefined {
  const { autoscaler } = facts;
  const scale = Number(annotations[INITIAL_SCALE] ?? autoscaler?.initialScale ?? 1);
  return scale === 0 && autoscaler?.allowZeroInitialScale === true
    ? `with initial-scale 0 a revision counts as ready before any pod has loaded the model: that it does not load is seen ` +
        `by the first request; to have it tried: set the annotation ${INITIAL_SCALE} to "1" (not with strategy Recreate)`
    : undefined;
}

function probeOverDeadline({ at, pod, annotations, facts }: Subject): string | undefined {
  const annotated = parseDurationSeconds(
    annotations["serving.knative.dev/progress-deadline"] ?? "",
  );
  const deadline = annotated ?? facts.deployment?.progressDeadlineSeconds;
  const patience = Math.max(
    0,
    ...pod.containers.map(({ startupProbe }) =>
      startupProbe === undefined
        ? 0
        : (startupProbe.initialDelaySeconds ?? 0) +
          (startupProbe.periodSeconds ?? 10) * (startupProbe.failureThreshold ?? 3),
    ),
  );
  return deadline !== undefined && patience > deadline
    ? `the startup probe gives a container ${patience} s, but Knative gives the revision up after ${deadline} s; ` +
        `set ${at}.startupTimeout to ${patience}`
    : undefined;
}

/** A registry that only this machine or this cluster's nodes know: Knative's pods cannot ask it. */
const LOCAL_REGISTRY = /^(localhost|127\.\d+\.\d+\.\d+|[^/]*\.(local|localhost))(:\d+)?\//;

function localImage({ pod, facts }: Subject): string | undefined {
  const skipped = facts.deployment?.registriesSkippingTagResolving;
  if (skipped === undefined) {
    return undefined;
  }
  for (const { image = "" } of allContainers(pod)) {
    const registry = LOCAL_REGISTRY.exec(image)?.[0].slice(0, -1);
    if (registry !== undefined && !image.includes("@sha256:") && !skipped.includes(registry)) {
      const fix = { "registries-skipping-tag-resolving": [...skipped, registry].join(",") };
      return (
        `Knative will ask the registry ${registry} for the digest of ${image}, which it can hardly reach; ` +
        `name the image by digest, or: ${patch(facts, "config-deployment", fix)}`
      );
    }
  }
  return undefined;
}

/** Those of the network layers that Knative names (knative.dev/docs/install, "networking layer"). */
const INGRESS_CLASSES: readonly string[] = [
  "istio.ingress.networking.knative.dev",
  "kourier.ingress.networking.knative.dev",
  "contour.ingress.networking.knative.dev",
  "gateway-api.ingress.networking.knative.dev",
];

function unknownIngress({ facts }: Subject): string | undefined {
  const ingressClass = facts.network?.ingressClass;
  return ingressClass === undefined || INGRESS_CLASSES.includes(ingressClass)
    ? undefined
    : `config-network names the ingress-class ${ingressClass}, which is none of Knative's (${INGRESS_CLASSES.join(", ")}): ` +
        `no route becomes ready unless a controller serves it; for Kourier, for instance: ` +
        patch(facts, "config-network", {
          "ingress-class": "kourier.ingress.networking.knative.dev",
        });
}

/** A command to paste: merges `data` into Knative's ConfigMap `name`. */
export function patch(
  facts: ClusterFacts,
  name: string,
  data: Readonly<Record<string, string>>,
): string {
  const body = JSON.stringify({ data });
  return `kubectl patch configmap ${name} -n ${facts.knativeNamespace} --type merge -p '${body}'`;
}
