/** One request through a predictor and its answer back, both as streams. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { PassThrough } from "node:stream";
import type { Dispatcher } from "undici";

/** RFC 9110, 7.6.1: these are about one connection. `expect` has been answered by Node already. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "expect",
]);

/** An exchange under way. */
export interface Exchange {
  /** Undefined when the answer is through, else what came between; never rejects. */
  readonly done: Promise<Error | undefined>;
  abort(reason: Error): void;
}

/** Sends `request` through `dispatcher` and the answer into `response`, at the pace of the slower side. */
export function exchange(
  dispatcher: Dispatcher,
  request: IncomingMessage,
  response: ServerResponse,
): Exchange {
  const { promise: done, resolve } = Promise.withResolvers<Error | undefined>();
  let controller: Dispatcher.DispatchController | undefined;
  let aborted: Error | undefined;
  const body = bodyOf(request);
  dispatcher.dispatch(
    {
      path: request.url ?? "/",
      method: request.method ?? "GET",
      headers: forwardedHeaders(request),
      body,
    },
    {
      onRequestStart(given) {
        controller = given;
        if (aborted !== undefined) {
          given.abort(aborted);
        }
      },
      onResponseStart(given, statusCode, headers) {
        if (statusCode < 200) {
          return;
        }
        response.writeHead(statusCode, endToEnd(headers));
        response.on("drain", () => given.resume());
      },
      onResponseData(given, chunk) {
        if (!response.write(chunk)) {
          given.pause();
        }
      },
      onResponseEnd() {
        response.end();
        resolve(undefined);
      },
      onResponseError(_given, error) {
        resolve(error);
      },
    },
  );
  return {
    done,
    abort(reason) {
      aborted = reason;
      controller?.abort(reason);
      // Before it starts there is no controller; the body's end ends it in the queue of connections.
      body?.destroy(reason);
    },
  };
}

/**
 * The body through a stream of its own: the client library destroys what it is given when an
 * exchange fails, and the rest of the request is then still to be read, so that the answer arrives
 * and the connection can be used again.
 */
function bodyOf(request: IncomingMessage): PassThrough | null {
  const { "content-length": length, "transfer-encoding": coding } = request.headers;
  if (coding === undefined && (length === undefined || length === "0")) {
    return null;
  }
  const body = new PassThrough();
  // An abort is told to the exchange; the stream's own complaint would be told twice.
  body.on("error", () => undefined);
  request.on("error", (error) => body.destroy(error));
  return request.pipe(body);
}

function forwardedHeaders(request: IncomingMessage): string[] {
  const named = new Set((request.headers.connection ?? "").toLowerCase().split(/\s*,\s*/));
  const headers: string[] = [];
  const raw = request.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    if (!HOP_BY_HOP.has(name) && !named.has(name) && name !== "x-forwarded-for") {
      headers.push(name, raw[index + 1] ?? "");
    }
  }
  const before = request.headers["x-forwarded-for"];
  const client = request.socket.remoteAddress ?? "unknown";
  headers.push("x-forwarded-for", before === undefined ? client : `${String(before)}, ${client}`);
  if (request.headers["x-forwarded-proto"] === undefined) {
    headers.push("x-forwarded-proto", "http");
  }
  return headers;
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!HOP_BY_HOP.has(name)) {
      kept[name] = value;
    }
  }
  return kept;
}
