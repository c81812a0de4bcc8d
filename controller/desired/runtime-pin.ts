/**
 * What a service was made from stays what it is made from. The runtime that was chosen, its whole
 * spec, stands on the Knative Service: a changed runtime, a new and better one or one that was
 * deleted changes no pod until somebody asks for it. It stands there and not in the status alone,
 * to survive the loss of the status, and on the service's metadata, where it makes no revision.
 */
import { canonical } from "../canonical.ts";
import { ONNXRUNTIME, ownRuntime } from "./builtin-runtimes.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import {
  type ModelNeeds,
  type Runtime,
  type Selection,
  selectRuntime,
  stillServes,
} from "./runtimes.ts";
import type { Warning } from "./warning.ts";

export interface Pin extends Selection {
  /** Image of our predictor, which fetches models for the servers of others. */
  readonly fetcher: string;
  /** The request to refresh that was granted last. */
  readonly refresh?: string;
}

export interface PinOptions {
  readonly needs: ModelNeeds;
  readonly runtimes: readonly Runtime[];
  /** The annotation of the live Knative Service. */
  readonly pinned: string | undefined;
  /** Annotation of the InferenceService: a value that was not granted yet asks for a refresh. */
  readonly refresh: string | undefined;
  /** Whether changed runtimes are followed at once. */
  readonly automatic: boolean;
  /** Image of our predictor as it is now. */
  readonly fetcher: string;
}

export interface Pinned {
  readonly pin: Pin;
  /** Why a refresh would change something. */
  readonly outdated?: Warning;
}

/** Reason and type of the condition which says that a refresh would change something. */
export const RUNTIME_OUTDATED = "RuntimeOutdated";

/** Knative copies the annotation to Route and Configuration; etcd takes 1.5 MB in all. */
const PIN_LENGTH_MAX = 65_536;

/** The runtime that the service is to be made from, now. */
export function pinRuntime(options: PinOptions): Pinned | Refusal {
  const { needs, runtimes, refresh, automatic, fetcher } = options;
  const before = parsePin(options.pinned);
  const asked = refresh !== undefined && refresh !== before?.refresh;
  const kept = before === undefined ? undefined : stillServes(needs, before.runtime);
  const current = selectRuntime(needs, runtimes);
  if (kept === undefined || asked || (automatic && !isRefusal(current))) {
    return isRefusal(current)
      ? current
      : checked({ pin: { ...current, fetcher, ...(refresh === undefined ? {} : { refresh }) } });
  }
  const granted = before?.refresh;
  const pin = {
    ...kept,
    fetcher: before?.fetcher ?? fetcher,
    ...(granted === undefined ? {} : { refresh: granted }),
  };
  const outdated = difference(kept.runtime, current);
  return checked({ pin, ...(outdated === undefined ? {} : { outdated }) });
}

/**
 * The annotation's text; the same pin gives the same text. Our own runtime is known by its image
 * alone, and nearly every service has it.
 */
export function pinText(pin: Pin): string {
  const { spec: _spec, ...named } = pin.runtime;
  return canonical(isOwn(pin.runtime) ? { ...pin, runtime: named } : pin);
}

function isOwn({ kind, name }: Partial<Runtime>): boolean {
  return kind === "BuiltIn" && name === ONNXRUNTIME;
}

/** Undefined where there is none, or none of ours: then the runtime is chosen anew. */
export function parsePin(text: string | undefined): Pin | undefined {
  if (text === undefined) {
    return undefined;
  }
  try {
    const pin = JSON.parse(text) as Partial<Pin> | null;
    const runtime: Partial<Runtime> = pin?.runtime ?? {};
    const { kind, name, digest } = runtime;
    const words = [pin?.protocol, pin?.fetcher, kind, name, digest];
    if (!words.every((word) => typeof word === "string")) {
      return undefined;
    }
    const spec = isOwn(runtime) ? ownRuntime(String(pin?.fetcher)) : runtime.spec;
    return Array.isArray(spec?.containers)
      ? ({ ...pin, runtime: { ...runtime, spec } } as Pin)
      : undefined;
  } catch {
    return undefined;
  }
}

function checked(pinned: Pinned): Pinned | Refusal {
  const { length } = pinText(pinned.pin);
  return length <= PIN_LENGTH_MAX
    ? pinned
    : {
        reason: "RuntimeTooLarge",
        message: `the runtime ${pinned.pin.runtime.name} is ${length} characters long; it is noted on the Knative Service, where ${PIN_LENGTH_MAX} fit: make it smaller`,
      };
}

function difference(kept: Runtime, current: Selection | Refusal): Warning | undefined {
  const reason = RUNTIME_OUTDATED;
  const adopt = "set the annotation pilotlight.dev/runtime-refresh to any new value to roll it out";
  if (isRefusal(current)) {
    return {
      reason,
      message: `the runtime ${kept.name} goes on, but would not be chosen any more: ${current.message}`,
    };
  }
  const { kind, name, digest } = current.runtime;
  if (kind !== kept.kind || name !== kept.name) {
    return {
      reason,
      message: `${kept.kind} ${kept.name} goes on, but ${kind} ${name} would be chosen now; ${adopt}`,
    };
  }
  return digest === kept.digest
    ? undefined
    : {
        reason,
        message: `${kind} ${name} has changed since it was chosen (${kept.digest.slice(0, 8)} → ${digest.slice(0, 8)}); ${adopt}`,
      };
}
