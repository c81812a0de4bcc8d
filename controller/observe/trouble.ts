/** Why a revision's pods do not come up, in the words of whoever knows best. */
import type { KnativeRevision } from "../api/knative-revision.gen.ts";
import {
  type ContainerStateTerminated,
  type ContainerStatus,
  type Pod,
  QUEUE_PROXY,
} from "./pods.ts";
import { condition } from "./conditions.ts";

export interface Trouble {
  /** PascalCase, stable; listed in docs/api/inferenceservice.md. */
  readonly reason: string;
  readonly message: string;
  readonly exitCode?: number;
  /** Pod and container, as `pod/container`, where one is to blame. */
  readonly location?: string;
  /** Whether waiting alone will not help: somebody has to change something. */
  readonly fatal: boolean;
}

/** Exit codes of the runtime contract (docs/runtime-contract.md). */
const EXIT_REASONS: Readonly<Record<number, { readonly reason: string; readonly fatal: boolean }>> =
  {
    64: { reason: "InvalidConfiguration", fatal: true },
    65: { reason: "ModelLoadFailed", fatal: true },
    66: { reason: "ModelNotFound", fatal: true },
    69: { reason: "StorageUnavailable", fatal: false },
    70: { reason: "InternalError", fatal: false },
    77: { reason: "StorageAccessDenied", fatal: true },
  };

const IMAGE_REASONS = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
]);
const CONFIG_REASONS = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);
export const SCHEDULER_SAYS = "no node can take the pod: ";
export const IMAGE_PULL_FAILED = "ImagePullFailed";
/** How the message begins when the kubelet waits, and does not say for what. */
export const NO_CAUSE = "ImagePullBackOff: ";
/** Since Kubernetes 1.31 it says what it said before as well. */
const CAUSE = /^Back-off pulling image .*?: (ErrImagePull: .*)$/s;
/** From this restart on, a container that keeps failing is taken at its word. */
const RESTARTS_TOLERATED = 2;
const MESSAGE_LENGTH_MAX = 1024;

/**
 * The worst trouble among `pods`, which all belong to `revision`; else what Knative itself says of
 * the revision, which outlives its pods. Undefined when there is none.
 */
export function revisionTrouble(
  pods: readonly Pod[],
  revision: KnativeRevision | undefined,
): Trouble | undefined {
  const found = pods.map(podTrouble).filter((trouble) => trouble !== undefined);
  return found.find((trouble) => trouble.fatal) ?? knativeTrouble(revision) ?? found[0];
}

function podTrouble(pod: Pod): Trouble | undefined {
  const { initContainerStatuses = [], containerStatuses = [], conditions } = pod.status ?? {};
  const { name } = pod.metadata;
  // What comes first may keep all others from starting: a model that cannot be fetched.
  const own = [...initContainerStatuses, ...containerStatuses].filter(
    (status) => status.name !== QUEUE_PROXY,
  );
  for (const status of own) {
    const found = containerTrouble(status);
    if (found !== undefined) {
      return { ...found, location: `${name}/${status.name}` };
    }
  }
  const scheduled = conditions?.find(({ type }) => type === "PodScheduled");
  return scheduled?.status === "False"
    ? {
        reason: "Unschedulable",
        message: clean(`${SCHEDULER_SAYS}${scheduled.message ?? "no reason given"}`),
        location: name,
        fatal: false,
      }
    : undefined;
}

function containerTrouble(status: ContainerStatus): Trouble | undefined {
  const waiting = status.state?.waiting;
  if (waiting?.reason !== undefined && IMAGE_REASONS.has(waiting.reason)) {
    return {
      reason: IMAGE_PULL_FAILED,
      message: clean(pullMessage(waiting.reason, waiting.message)),
      fatal: waiting.reason !== "ErrImagePull",
    };
  }
  if (waiting?.reason !== undefined && CONFIG_REASONS.has(waiting.reason)) {
    return {
      reason: "ContainerConfigError",
      message: clean(`${waiting.reason}: ${waiting.message ?? "the container cannot be made"}`),
      fatal: true,
    };
  }
  const terminated = status.state?.terminated ?? status.lastState?.terminated;
  // An exit in the past is history once the container is ready again.
  return terminated === undefined || terminated.exitCode === 0 || status.ready === true
    ? undefined
    : exitTrouble(terminated, status);
}

/** The same whether it has just failed to pull, or waits to try again. */
function pullMessage(reason: string, message = "the image cannot be pulled"): string {
  return CAUSE.exec(message)?.[1] ?? `${reason}: ${message}`;
}

function exitTrouble(
  terminated: ContainerStateTerminated,
  { name, restartCount: restarts = 0 }: ContainerStatus,
): Trouble {
  const { exitCode, reason } = terminated;
  const words = clean(terminated.message ?? "");
  if (reason === "OOMKilled") {
    return {
      reason: "OutOfMemory",
      message: `the container ${name} was killed for using more memory than its resources.limits.memory allows`,
      exitCode,
      fatal: restarts >= RESTARTS_TOLERATED,
    };
  }
  const known = EXIT_REASONS[exitCode];
  return {
    reason: known?.reason ?? "ContainerFailed",
    message:
      words === "" ? `the container ended with exit code ${exitCode} and said nothing` : words,
    exitCode,
    fatal: (known?.fatal ?? false) || restarts >= RESTARTS_TOLERATED,
  };
}

/**
 * Knative's own verdict: `ContainerHealthy` has the exit code in its reason and the container's
 * last words in its message.
 */
function knativeTrouble(revision: KnativeRevision | undefined): Trouble | undefined {
  const conditions = revision?.status?.conditions;
  for (const type of ["ContainerHealthy", "ResourcesAvailable"]) {
    const found = condition(conditions, type);
    if (found?.status === "False") {
      const exitCode = /^ExitCode(\d+)$/.exec(found.reason ?? "")?.[1];
      const code = exitCode === undefined ? undefined : Number(exitCode);
      return {
        reason:
          (code === undefined ? undefined : EXIT_REASONS[code]?.reason) ??
          found.reason ??
          "RevisionFailed",
        message: clean((found.message ?? "").replace(/^Container failed with: /, "")),
        ...(code === undefined ? {} : { exitCode: code }),
        fatal: true,
      };
    }
  }
  return undefined;
}

/** Words from outside: one line, no control characters, bounded. */
function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not get into a status
  const line = text.replace(/[\u0000-\u001f\u007f]+/g, " ").trim();
  return line.length <= MESSAGE_LENGTH_MAX ? line : `${line.slice(0, MESSAGE_LENGTH_MAX - 1)}…`;
}
