/** How answers are written: JSON bytes, and the one table from faults to statuses. */
import type { ServerResponse } from "node:http";
import { ServingError } from "../errors.ts";
import type { ServingErrorCode } from "../errors.ts";

const statuses: Readonly<Record<ServingErrorCode, number>> = {
  invalid: 400,
  "not-found": 404,
  "method-not-allowed": 405,
  "too-large": 413,
  "unsupported-encoding": 415,
  overloaded: 429,
  gone: 499, // nobody reads it; nginx's number, seen in metrics only
  failed: 500,
  "not-ready": 503,
  deadline: 504,
};

/** Seconds after which it's worth trying again. */
const retryAfter: Partial<Record<ServingErrorCode, string>> = { overloaded: "1", "not-ready": "1" };

/** Writes a whole answer in one go. */
export function sendJson(response: ServerResponse, status: number, json: string): void {
  const body = Buffer.from(json);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": body.byteLength,
  });
  response.end(body);
}

/** A thrown thing as fault. What isn't a ServingError is our own mistake, and keeps its text. */
export function asServingError(error: unknown): ServingError {
  if (error instanceof ServingError) return error;
  return new ServingError("failed", "an internal error", { cause: error });
}

/** Writes `{"error": …}` with the status of the fault; returns that status. */
export function sendError(response: ServerResponse, error: ServingError): number {
  const status = statuses[error.code];
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return status;
  }
  const after = retryAfter[error.code];
  if (after !== undefined) response.setHeader("retry-after", after);
  // The rest of a body that is too large isn't read: the connection can't be used again.
  if (error.code === "too-large") response.setHeader("connection", "close");
  sendJson(response, status, JSON.stringify({ error: error.message }));
  return status;
}
