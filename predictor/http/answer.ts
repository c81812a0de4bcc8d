/** How answers are written: JSON bytes, and the one table from faults to statuses. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ServingError } from "../errors.ts";
import type { ServingErrorCode } from "../errors.ts";

export const statuses: Readonly<Record<ServingErrorCode, number>> = {
  invalid: 400,
  unauthorized: 401,
  "not-found": 404,
  "method-not-allowed": 405,
  "too-large": 413,
  "unsupported-encoding": 415,
  overloaded: 429,
  gone: 499, // nobody reads it; nginx's number, seen in metrics only
  failed: 500,
  "not-implemented": 501,
  "not-ready": 503,
  deadline: 504,
  "timed-out": 504,
};

/** Seconds after which it's worth trying again, where the fault doesn't know better. */
const retryAfter: Partial<Record<ServingErrorCode, string>> = { overloaded: "1", "not-ready": "1" };

/**
 * Writes a whole answer in one go. Text that is ASCII, as nearly all JSON of tensors is, goes to
 * the socket as one string with the headers, and isn't copied into a buffer of its own before.
 */
export function sendJson(
  response: ServerResponse,
  status: number,
  json: string | Uint8Array,
  contentType = "application/json",
): void {
  if (typeof json !== "string") {
    response.writeHead(status, { "content-type": contentType, "content-length": json.byteLength });
    response.end(json);
    return;
  }
  const bytes = Buffer.byteLength(json);
  response.writeHead(status, { "content-type": contentType, "content-length": bytes });
  response.end(json, bytes === json.length ? "latin1" : "utf8");
}

/**
 * Writes JSON with tensors' bytes behind it, none of them copied.
 * https://github.com/triton-inference-server/server: docs/protocol/extension_binary_data.md
 */
export function sendBinary(
  response: ServerResponse,
  json: string | Uint8Array,
  parts: readonly Uint8Array[],
): void {
  const head = typeof json === "string" ? Buffer.from(json) : json;
  const bytes = parts.reduce((sum, part) => sum + part.byteLength, head.byteLength);
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "inference-header-content-length": head.byteLength,
    "content-length": bytes,
  });
  response.cork();
  response.write(head);
  for (const part of parts) if (part.byteLength > 0) response.write(part);
  response.end();
  response.uncork();
}

/** Writes an answer of any type. */
export function sendBytes(response: ServerResponse, contentType: string, body: Uint8Array): void {
  response.writeHead(200, { "content-type": contentType, "content-length": body.byteLength });
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
  const after =
    error.retryAfterMs === undefined
      ? retryAfter[error.code]
      : String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
  if (after !== undefined) response.setHeader("retry-after", after);
  if (error.code === "too-large") discardRest(response.req);
  sendJson(response, status, JSON.stringify({ error: error.message }));
  return status;
}

/** How much of a refused body, and for how long, is read to nowhere. */
const lingerBytesMax = 16 * 1024 * 1024;
const lingerMsMax = 2000;

/**
 * Reads the rest of a refused body to nowhere, within bounds. Closing at once would reset a
 * connection with unread bytes, and the client, or a proxy before it, would often see that reset
 * instead of the answer.
 */
function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  let bytes = 0;
  const timer = setTimeout(() => request.destroy(), lingerMsMax);
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > lingerBytesMax) request.destroy();
  });
  request.once("close", () => clearTimeout(timer));
  request.once("end", () => clearTimeout(timer));
  request.resume();
}
