/**
 * Cross-origin requests (fetch.spec.whatwg.org, CORS protocol): off unless origins are configured.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

/** Adds the headers to an answer; true when that was all there is to it: a preflight. */
export type Cors = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Seconds for which a browser need not ask again. */
const preflightSeconds = "600";
const exposed = "inference-header-content-length, retry-after, x-request-id, ce-id, ce-type";

/** CORS for a comma-separated list of origins, or `*` for all; undefined for none. */
export function createCors(origins: string | undefined): Cors | undefined {
  const allowed = new Set((origins ?? "").split(",").map((each) => each.trim()));
  allowed.delete("");
  if (allowed.size === 0) return undefined;
  const any = allowed.has("*");
  return (request, response) => {
    const { origin } = request.headers;
    // Also for those who are refused: a cache must not give one origin's answer to another.
    if (!any) response.setHeader("vary", "origin");
    if (origin === undefined || !(any || allowed.has(origin))) return false;
    response.setHeader("access-control-allow-origin", any ? "*" : origin);
    response.setHeader("access-control-expose-headers", exposed);
    const asked = request.headers["access-control-request-method"];
    if (request.method !== "OPTIONS" || asked === undefined) return false;
    response.setHeader("access-control-allow-methods", "GET, HEAD, POST");
    const headers = request.headers["access-control-request-headers"];
    if (headers !== undefined) response.setHeader("access-control-allow-headers", headers);
    response.setHeader("access-control-max-age", preflightSeconds);
    response.writeHead(204).end();
    return true;
  };
}
