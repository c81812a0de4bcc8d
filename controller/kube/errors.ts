/** What can go wrong between us and the API server, as types that callers can tell apart. */

export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/** `details` of a metav1.Status. */
export interface StatusDetails {
  readonly name?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface ApiFailure {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  readonly details?: StatusDetails | undefined;
}

/** The API server answered, and the answer is no. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /**
   * metav1.StatusReason, such as `Conflict`, `NotFound`, `Expired`; empty when the body was no
   * Status.
   */
  readonly reason: string;
  /** How long the server asked us to stay away. */
  readonly retryAfterMs: number | undefined;
  readonly details: StatusDetails | undefined;

  constructor(call: string, failure: ApiFailure) {
    super(`${call}: ${failure.status} ${failure.reason}: ${failure.message}`);
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
    this.details = failure.details;
  }
}

/**
 * No complete answer came: refused, reset, cut off, no credentials. Whether a write happened is
 * unknown.
 */
export class TransportError extends Error {
  override readonly name: string = "TransportError";
}

/** The deadline of one call passed. Whether a write happened is unknown. */
export class DeadlineError extends TransportError {
  override readonly name = "DeadlineError";
}

/** The answer is not what the API promises: no JSON, too large, fields missing. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** We are not, or no longer, the leader: nothing was sent. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

export function isStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

export function isNotFound(error: unknown): error is ApiError {
  return isStatus(error, 404);
}

export function isForbidden(error: unknown): error is ApiError {
  return isStatus(error, 403);
}

export function isConflict(error: unknown): error is ApiError {
  return isStatus(error, 409);
}

/**
 * The resourceVersion or continue token is too old: `Gone` from a watch, `Expired` from etcd's
 * compaction.
 */
export function isGone(error: unknown): error is ApiError {
  return isStatus(error, 410);
}

const MESSAGE_CHARS_MAX = 2048;
const RETRY_AFTER_MS_MAX = 600_000;

/**
 * Reads a failed response: a metav1.Status when the body is one, else the text. `retryAfter` is the
 * header, in seconds or as an HTTP date, which only `nowWallMs` can turn into a duration.
 */
export function parseFailure(
  status: number,
  body: string,
  retryAfter: string | undefined,
  nowWallMs: number,
): ApiFailure {
  const parsed = parseStatus(body);
  const seconds = parsed?.details?.retryAfterSeconds;
  const headerMs = parseRetryAfter(retryAfter, nowWallMs);
  const retryAfterMs = headerMs ?? (typeof seconds === "number" ? seconds * 1000 : undefined);
  return {
    status,
    reason: parsed?.reason ?? "",
    message: clean(parsed?.message ?? (body.trim() || "no message")),
    retryAfterMs:
      retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, RETRY_AFTER_MS_MAX),
    details: parsed?.details,
  };
}

interface StatusBody {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: StatusDetails;
}

function parseStatus(body: string): StatusBody | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isStatusBody(value) ? value : undefined;
  } catch {
    // A proxy's HTML or the mux's plain text: the text itself is the message.
    return undefined;
  }
}

function isStatusBody(value: unknown): value is StatusBody {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "Status";
}

/**
 * Turns the Status of an in-stream ERROR frame into the same failure that an HTTP answer would have
 * been.
 */
export function failureOfStatus(value: unknown): ApiFailure {
  const body = JSON.stringify(value) ?? "null";
  const code = isStatusBody(value) && typeof value.code === "number" ? value.code : 500;
  return parseFailure(code, body, undefined, 0);
}

function parseRetryAfter(header: string | undefined, nowWallMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowWallMs);
}

/**
 * Bounds the text and takes control characters out: it may come from a tenant's object and ends up
 * in logs and status.
 */
function clean(message: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is being removed
  const text = message.replaceAll(/[\u0000-\u001F\u007F]+/g, " ");
  return text.length > MESSAGE_CHARS_MAX ? `${text.slice(0, MESSAGE_CHARS_MAX)}…` : text;
}
