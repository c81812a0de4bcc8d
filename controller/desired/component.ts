/**
 * One component (predictor, transformer or explainer), normalised → its Knative Service. Where the
 * containers come from is not known here; what changes them (a runtime, an accelerator) turns one
 * ComponentRequest into another.
 */
import type { InferenceService, PredictorSpec } from "../api/inferenceservice.gen.ts";
import { KNATIVE_SERVICE } from "../api/kinds.ts";
import {
  isOfKServe,
  LABEL_KSERVE_COMPONENT,
  LABEL_KSERVE_INFERENCE_SERVICE,
} from "../api/kserve.ts";
import type { KnativeService, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import {
  type ComponentName,
  componentServiceName,
  LABEL_COMPONENT,
  LABEL_INFERENCE_SERVICE,
} from "../api/names.ts";
import type { ObjectMeta } from "../cluster.ts";
import { autoscalingAnnotations } from "./autoscaling.ts";
import { autoscalingValues } from "./autoscaling-values.ts";
import { serviceAnnotations, serviceLabels, templateAnnotations } from "./propagation.ts";
import { hasTagRouting } from "./metadata.ts";
import { tagged, type Traffic } from "./traffic.ts";
import type { Warning } from "./warning.ts";

/** What every component's spec has beside its pods: how it scales, its limits, its metadata. */
export type ComponentExtension = Pick<
  PredictorSpec,
  | "minReplicas"
  | "maxReplicas"
  | "scaleMetric"
  | "scaleTarget"
  | "containerConcurrency"
  | "timeout"
  | "labels"
  | "annotations"
>;

type Strings = Readonly<Record<string, string>>;

export interface ComponentRequest {
  readonly component: ComponentName;
  readonly extension: ComponentExtension;
  /**
   * The pods, except for what `extension` says (containerConcurrency, timeouts). Fields that are
   * undefined or empty are left out.
   */
  readonly pod: KnativeServicePodSpec;
  /** Annotations for the template that users may override, e.g. an accelerator's. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** The same for labels. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations for the Knative Service itself: a change of them makes no revision. */
  readonly serviceAnnotations?: Readonly<Record<string, string>>;
  readonly warnings?: readonly Warning[];
  /** Fields of the pod that the user did not write, and what brought them: for sentences. */
  readonly brought?: Readonly<Record<string, string>>;
  readonly traffic: Traffic;
}

/** `minReplicas` is that of a component which names none. */
export function componentService(
  isvc: InferenceService,
  request: ComponentRequest,
  minReplicas: number,
): KnativeService {
  const { metadata } = isvc;
  const { component, extension } = request;
  const stated = { ...templateAnnotations(metadata), ...extension.annotations };
  const annotations = { ...unstated(request.annotations, stated), ...stated };
  const labels = {
    [LABEL_INFERENCE_SERVICE]: metadata.name,
    [LABEL_COMPONENT]: component,
    ...(isOfKServe(isvc)
      ? { [LABEL_KSERVE_INFERENCE_SERVICE]: metadata.name, [LABEL_KSERVE_COMPONENT]: component }
      : {}),
  };
  return {
    apiVersion: KNATIVE_SERVICE.apiVersion,
    kind: KNATIVE_SERVICE.kind,
    metadata: {
      ...childMetadata(isvc, componentServiceName(metadata.name, component)),
      labels: { ...serviceLabels(metadata), ...labels },
      annotations: { ...serviceAnnotations(metadata), ...request.serviceAnnotations },
    },
    spec: {
      template: {
        metadata: {
          labels: { ...request.labels, ...extension.labels, ...labels },
          annotations: {
            ...annotations,
            ...autoscalingAnnotations(extension, minReplicas, annotations),
          },
        },
        spec: podSpec(request),
      },
      traffic: tagged(request.traffic, hasTagRouting(metadata)),
    },
  };
}

/** Those of `annotations` whose meaning the user has not stated, in whichever spelling. */
function unstated(annotations: Strings = {}, stated: Strings): Strings {
  const values = autoscalingValues(stated);
  return Object.fromEntries(
    Object.entries(annotations).filter(
      ([key]) =>
        !Object.keys(autoscalingValues({ [key]: "" })).some((name) => Object.hasOwn(values, name)),
    ),
  );
}

function childMetadata(owner: InferenceService, name: string): ObjectMeta {
  const { metadata } = owner;
  return {
    name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    ownerReferences: [
      {
        apiVersion: owner.apiVersion,
        kind: owner.kind,
        name: metadata.name,
        uid: metadata.uid ?? "",
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
}

function podSpec({ extension, pod }: ComponentRequest): KnativeServicePodSpec {
  const { containerConcurrency, timeout } = extension;
  return {
    ...(containerConcurrency === undefined ? {} : { containerConcurrency }),
    // Both: a request that waits for a cold start has sent no byte, and the first-byte limit would
    // end it before its time.
    ...(timeout === undefined
      ? {}
      : { timeoutSeconds: timeout, responseStartTimeoutSeconds: timeout }),
    enableServiceLinks: false,
    ...(Object.fromEntries(
      Object.entries(pod).filter(([, value]) => !isNothing(value)),
    ) as unknown as KnativeServicePodSpec),
  };
}

function isNothing(value: unknown): boolean {
  return (
    value === undefined ||
    (typeof value === "object" && value !== null && Object.keys(value).length === 0)
  );
}
