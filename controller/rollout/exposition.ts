/**
 * PURE: a pod's page of metrics (Prometheus' text format) → how many requests it answered, how many
 * failed by its fault, and how long they took; and which contents it serves. Two dialects are understood: the predictor's own
 * (docs/runtime-contract.md) and that of Knative's queue-proxy, which counts for any container.
 */

/** Counted since the container started. */
export interface Counts {
  readonly requests: number;
  readonly errors: number;
  /** Cumulative: answers that took at most so many seconds, by that bound; Infinity is all. */
  readonly buckets: ReadonlyMap<number, number>;
}

/** Failures for which the server is to blame: its model's, and requests it could not take. */
const SERVER_FAULTS: ReadonlySet<string> = new Set(["BACKEND", "REJECTED"]);
const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const TOO_MANY_REQUESTS = 429;

/** Undefined when neither dialect is spoken. */
export function parseCounts(text: string): Counts | undefined {
  const own = { success: 0, failure: 0 };
  const queue = { requests: 0, errors: 0 };
  const ownBuckets = new Map<number, number>();
  const queueBuckets = new Map<number, number>();
  let spoken: "own" | "queue" | undefined;
  for (const { name, labels, value } of samples(text)) {
    switch (name) {
      case "nv_inference_request_success":
        spoken = "own";
        own.success += value;
        break;
      case "nv_inference_request_failure":
        own.failure += SERVER_FAULTS.has(labels.get("reason") ?? "") ? value : 0;
        break;
      case "pilotlight_request_seconds_bucket":
        add(ownBuckets, labels, value);
        break;
      case "kn_serving_invocation_duration_seconds_count":
        spoken ??= "queue";
        queue.requests += value;
        queue.errors += isServerFault(labels) ? value : 0;
        break;
      case "kn_serving_invocation_duration_seconds_bucket":
        add(queueBuckets, labels, value);
        break;
      default:
    }
  }
  switch (spoken) {
    case "own":
      return {
        requests: own.success + own.failure,
        errors: own.failure,
        buckets: ownBuckets,
      };
    case "queue":
      return { ...queue, buckets: queueBuckets };
    default:
      return undefined;
  }
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** The digest of the model that is served; undefined when none is told, or several are. */
export function parseDigest(text: string): string | undefined {
  const told = new Set<string>();
  for (const { name, labels, value } of samples(text)) {
    if (name === "pilotlight_model_info" && value === 1) {
      told.add(labels.get("digest") ?? "");
    }
  }
  const [digest = ""] = told;
  return told.size === 1 && DIGEST.test(digest) ? digest : undefined;
}

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

function* samples(text: string): Generator<Sample> {
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : SAMPLE.exec(line);
    const value = Number(found?.[3]);
    if (found !== null && Number.isFinite(value)) {
      const labels = new Map(
        [...(found[2] ?? "").matchAll(LABEL)].map(([, key = "", text_ = ""]) => [key, text_]),
      );
      yield { name: found[1] ?? "", labels, value };
    }
  }
}

function add(buckets: Map<number, number>, labels: Sample["labels"], value: number): void {
  const le = labels.get("le") ?? "";
  const bound = le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le);
  if (!Number.isNaN(bound)) {
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
}

function isServerFault(labels: Sample["labels"]): boolean {
  const status = Number(labels.get("http_response_status_code"));
  return status >= 500 || status === TOO_MANY_REQUESTS;
}
