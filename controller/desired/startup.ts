/**
 * How long a pod may take until it serves. Two clocks run in a cluster: the kubelet's startup probe,
 * after which a container is killed and tried again, and Knative's progress deadline, after which a
 * revision has failed. One field sets both, so that neither ends what the other still allows.
 */
import type { KnativeServiceContainer } from "../api/knative-service.gen.ts";
import { PREDICTOR_PORT } from "../api/names.ts";
import type { ComponentRequest } from "./component.ts";
import { parseDurationSeconds } from "./facts.ts";

export const ANNOTATION_PROGRESS_DEADLINE = "serving.knative.dev/progress-deadline";
/** Kubernetes' shortest: it is what a start is late by, at most. */
const PERIOD_SECONDS = 1;

export interface StartupTimeout {
  /** spec.predictor.startupTimeout: wins over an annotation of the same meaning. */
  readonly stated?: number | undefined;
  /** The user's annotations, of which Knative's progress deadline wins over `fallback`. */
  readonly annotated?: Readonly<Record<string, string>>;
  /** Undefined leaves both clocks as the cluster has them. */
  readonly fallback?: number | undefined;
}

/** The request with both clocks set, or as it was when there is nothing to set. */
export function withStartupTimeout(
  request: ComponentRequest,
  { stated, annotated = {}, fallback }: StartupTimeout,
): ComponentRequest {
  const deadlineOfUser = parseDurationSeconds(annotated[ANNOTATION_PROGRESS_DEADLINE] ?? "");
  const seconds = stated ?? (fallback === undefined ? undefined : (deadlineOfUser ?? fallback));
  if (seconds === undefined) {
    return request;
  }
  const deadline = { [ANNOTATION_PROGRESS_DEADLINE]: `${seconds}s` };
  const { pod, extension } = request;
  const server = Math.max(
    0,
    pod.containers.findIndex(({ ports }) => (ports?.length ?? 0) > 0),
  );
  const containers = pod.containers.map((container, at) =>
    at === server ? withStartupProbe(container, seconds) : container,
  );
  return {
    ...request,
    ...(stated === undefined
      ? { annotations: { ...request.annotations, ...deadline } }
      : { extension: { ...extension, annotations: { ...extension.annotations, ...deadline } } }),
    pod: { ...pod, containers },
  };
}

type Probe = NonNullable<KnativeServiceContainer["startupProbe"]>;

/** A startup probe of the user's own is left alone. */
function withStartupProbe(
  container: KnativeServiceContainer,
  seconds: number,
): KnativeServiceContainer {
  if (container.startupProbe !== undefined) {
    return container;
  }
  const startupProbe: Probe = {
    ...handler(container),
    periodSeconds: PERIOD_SECONDS,
    timeoutSeconds: PERIOD_SECONDS,
    failureThreshold: Math.ceil(seconds / PERIOD_SECONDS),
    successThreshold: 1,
  };
  return { ...container, startupProbe };
}

/** Started is who is ready once; a server without a readiness probe, who listens. */
function handler({ readinessProbe, ports }: KnativeServiceContainer): Probe {
  const { httpGet, tcpSocket, exec, grpc } = readinessProbe ?? {};
  if (httpGet !== undefined || exec !== undefined || grpc !== undefined) {
    return {
      ...(httpGet === undefined ? {} : { httpGet }),
      ...(exec === undefined ? {} : { exec }),
      ...(grpc === undefined ? {} : { grpc }),
    };
  }
  const port = ports?.[0]?.containerPort ?? PREDICTOR_PORT;
  return { tcpSocket: { port, ...tcpSocket } };
}
