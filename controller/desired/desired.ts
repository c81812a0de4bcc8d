/**
 * PURE: an InferenceService and what is known of the cluster → the Knative Services to have, or why
 * there can be none. The same input gives the same output, to the byte; nothing here reads a clock,
 * the environment or the cluster. This file is the table of contents: each step lies in a file of
 * its own.
 */
import type { InferenceService } from "../api/inferenceservice.gen.ts";
import { isOfKServe, KSERVE_MIN_REPLICAS } from "../api/kserve.ts";
import type { KnativeService } from "../api/knative-service.gen.ts";
import type { ComponentName, PerComponent } from "../api/names.ts";
import { unusedDevice } from "./accelerator.ts";
import { accountWarnings, type ListedSecret } from "./account-secrets.ts";
import { checkAutoscaling, unknownAutoscaling } from "./autoscaling-values.ts";
import { componentService, type ComponentRequest } from "./component.ts";
import type { PredictorDefaults } from "./container.ts";
import { customRequest } from "./custom.ts";
import { effective, type Effective } from "./effective.ts";
import { deviceFault } from "./extended-resources.ts";
import type { ClusterFacts } from "./facts.ts";
import { checkMetadata, idleAnnotations, isStopped } from "./metadata.ts";
import { withoutNulls } from "./nulls.ts";
import { nameFault } from "./pod-names.ts";
import { predictorRequest } from "./predictor.ts";
import { preflight } from "./preflight.ts";
import { recreateForbidden } from "./recreate.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import type { Runtime } from "./runtimes.ts";
import { TAG_PREVIOUS } from "./traffic.ts";
import type { RuntimeUpdates } from "./builtin-runtimes.ts";
import type { Warning } from "./warning.ts";

export interface DesiredInput {
  readonly isvc: InferenceService;
  readonly facts: ClusterFacts;
  readonly defaults: PredictorDefaults;
  /** All that the InferenceService could be served by: its namespace's, the cluster's, built-in. */
  readonly runtimes: readonly Runtime[];
  /** Whether a changed runtime is followed at once; OnRequest when absent. */
  readonly runtimeUpdates?: RuntimeUpdates;
  /** The Secrets that the service account lists, where they count (account-secrets.ts). */
  readonly accountSecrets?: readonly ListedSecret[];
  /** The Knative Services that exist. */
  readonly live?: PerComponent<KnativeService>;
}

export interface Desired {
  /** A component that is absent is not wanted, and deleted where it exists. */
  readonly services: PerComponent<KnativeService>;
  readonly warnings: readonly Warning[];
  /** How each of them scales in the end, the cluster's defaults included. */
  readonly effective: PerComponent<Effective>;
  /** Whether there is nothing because the user wants it so. */
  readonly stopped?: boolean;
}

/**
 * @throws never for an object that the CRD's schema admits; anything else is a bug and fails this
 * key alone.
 */
export function desired(given: DesiredInput): Desired | Refusal {
  const isvc = { ...given.isvc, spec: withoutNulls(given.isvc.spec) };
  const input = { ...given, isvc };
  const { facts } = input;
  // Of a component that names none.
  const minReplicas = isOfKServe(isvc) ? KSERVE_MIN_REPLICAS : 0;
  if (isStopped(isvc.metadata)) {
    // Whatever the spec says: who wants it stopped must not be told to correct it first.
    return { services: {}, effective: {}, warnings: [], stopped: true };
  }
  const services: Record<string, KnativeService> = {};
  const scaling: Record<string, Effective> = {};
  const refused =
    checkMetadata(isvc.metadata) ?? checkSpec(isvc) ?? recreateForbidden(isvc, facts, minReplicas);
  if (refused !== undefined) {
    return refused;
  }
  const warnings: Warning[] = [
    ...idleAnnotations(isvc.metadata),
    ...accountWarnings(input.accountSecrets ?? []),
  ];
  for (const request of requests(input)) {
    if (isRefusal(request)) {
      return request;
    }
    const service = componentService(isvc, request, minReplicas);
    const at = `spec.${request.component}`;
    const annotations = service.spec?.template?.metadata?.annotations ?? {};
    const found = preflight(request.component, service, facts, {
      ...(request.brought === undefined ? {} : { brought: request.brought }),
      tags: shares(isvc, request.component) ? [TAG_PREVIOUS] : [],
    });
    const refusal =
      checkAutoscaling(annotations, at) ??
      deviceFault(request.component, service) ??
      nameFault(request.component, service) ??
      found.refusal;
    if (refusal !== undefined) {
      return refusal;
    }
    services[request.component] = service;
    scaling[request.component] = effective(service, facts);
    warnings.push(
      ...(request.warnings ?? []),
      ...unknownAutoscaling(annotations, at),
      ...found.warnings,
      ...unusedDevice(request, input.defaults.image),
    );
  }
  return { services, effective: scaling, warnings: distinct(warnings) };
}

/** KServe's second kind of canary, which belongs to its Standard mode. */
function checkSpec({ spec }: InferenceService): Refusal | undefined {
  return spec.canary === undefined
    ? undefined
    : {
        reason: "FieldNotSupported",
        message:
          "spec.canary is not supported: it belongs to KServe's Standard mode; " +
          "use spec.predictor.canaryTrafficPercent, or spec.predictor.rollout",
      };
}

/** Whether two revisions of the component may serve side by side. */
function shares({ spec }: InferenceService, component: ComponentName): boolean {
  const { predictor } = spec;
  return (
    spec[component]?.canaryTrafficPercent !== undefined ||
    (component === "predictor" &&
      predictor.rollout !== undefined &&
      predictor.rollout.strategy !== "Recreate")
  );
}

/** What is true of the cluster is found once for each component. */
function distinct(warnings: readonly Warning[]): readonly Warning[] {
  return warnings.filter(
    ({ message }, at) => warnings.findIndex((each) => each.message === message) === at,
  );
}

/** One for each component, or why it cannot be. */
function requests(input: DesiredInput): readonly (ComponentRequest | Refusal)[] {
  const { isvc } = input;
  const { transformer, explainer } = isvc.spec;
  return [
    predictorRequest(input),
    ...(transformer === undefined ? [] : [customRequest(isvc, "transformer", transformer)]),
    ...(explainer === undefined ? [] : [customRequest(isvc, "explainer", explainer)]),
  ];
}
