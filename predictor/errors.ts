/**
 * What a predictor may answer other than 200, as a closed list. Whoever finds the fault throws a
 * ServingError; http/ has the one place that turns it into a status and a body.
 */
export type ServingErrorCode =
  | "invalid" // the client's request is wrong
  | "unauthorized"
  | "not-found"
  | "method-not-allowed"
  | "not-implemented" // known to the protocol, not to this server
  | "too-large"
  | "unsupported-encoding"
  | "overloaded" // the queue is full
  | "failed" // our fault, or the model's
  | "not-ready" // still loading, or draining
  | "deadline" // the server's
  | "timed-out" // the deadline that the client set itself: no fault of the model
  | "gone"; // the client left; nobody reads the answer

/** A fault with a sentence for the client: it must hold no path, no stack, no foreign data. */
export class ServingError extends Error {
  override readonly name = "ServingError";
  readonly code: ServingErrorCode;
  /** It will be the same until then; unknown for most. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ServingErrorCode,
    message: string,
    options?: ErrorOptions & { readonly retryAfterMs?: number },
  ) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Shorthand for the most frequent one: the request is wrong, and the sentence says where. */
export function invalid(message: string): ServingError {
  return new ServingError("invalid", message);
}

/** The text of anything thrown, for logs. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
