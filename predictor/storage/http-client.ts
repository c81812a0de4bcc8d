/**
 * HTTP as storage needs it: one request, a streamed body, every wait limited. Node's own client,
 * not a library: nothing more has to be loaded before the first byte of a model.
 */
import * as http from "node:http";
import * as https from "node:https";

import { checkHost, guardedLookup } from "./address-guard.ts";
import type { Reach } from "./address-guard.ts";
import { checkHostRules } from "./host-rules.ts";
import type { HostRules } from "./host-rules.ts";
import { TransientError } from "./retry.ts";
import { StorageError } from "./storage-error.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /**
   * The host was named by whoever configured this predictor (an endpoint), not by a storage URI or
   * a redirect: it may be anywhere.
   */
  readonly trusted?: boolean;
  /** Asks for credentials: no model comes from there, and rules for hosts of models don't hold. */
  readonly forCredentials?: boolean;
}

export interface HttpReply {
  readonly status: number;
  /** Where it came from. */
  readonly origin: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Must be read to its end or destroyed. */
  readonly body: http.IncomingMessage;
}

export interface HttpClient {
  /** Rejects with TransientError when no answer came, StorageError when none ever will. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpReply>;
  close(): void;
}

/** A body that brings less in a minute is given up: drop by drop it would never be whole. */
const PACE_MS = 60_000;
const PACE_BYTES_MIN = 64 * 1024;

/** No answer, or no byte of a body, for this long: the connection is given up. */
const IDLE_MS_MAX = 30_000;
const CONNECTIONS_MAX = 8;

/** Where hosts may be that nobody configured. */
export interface HttpClientOptions extends Reach {
  /** Replaces the trusted certificates (PEM). */
  readonly ca?: string | undefined;
  /** For all hosts, configured ones too. */
  readonly hosts?: HostRules | undefined;
}

/** A client with connections of its own. */
export function createHttpClient({ ca, hosts, ...reach }: HttpClientOptions): HttpClient {
  const shared = { keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS_MAX };
  const tls = ca === undefined ? {} : { ca };
  const guarded = { ...shared, lookup: guardedLookup(reach.allowPrivate) };
  const agents = {
    trusted: { plain: new http.Agent(shared), secure: new https.Agent({ ...shared, ...tls }) },
    guarded: { plain: new http.Agent(guarded), secure: new https.Agent({ ...guarded, ...tls }) },
  };
  return {
    send: async (request, signal) => {
      if (hosts !== undefined && request.forCredentials !== true) {
        checkHostRules(request.url, hosts);
      }
      if (request.trusted !== true) checkHost(request.url, reach);
      const { plain, secure } = request.trusted === true ? agents.trusted : agents.guarded;
      return request.url.protocol === "https:"
        ? send(https.request, secure, { request, signal })
        : send(http.request, plain, { request, signal });
    },
    close: () => {
      for (const { plain, secure } of Object.values(agents)) {
        plain.destroy();
        secure.destroy();
      }
    },
  };
}

function send(
  open: (url: URL, options: http.RequestOptions) => http.ClientRequest,
  agent: http.Agent,
  { request, signal }: { readonly request: HttpRequest; readonly signal: AbortSignal },
): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const { method, url, headers } = request;
    const sent = open(url, { method, headers, agent, signal, timeout: IDLE_MS_MAX });
    sent.on("timeout", () => {
      sent.destroy(new Error(`no answer from ${url.host} for ${IDLE_MS_MAX / 1000} s`));
    });
    sent.on("error", (cause) => {
      reject(connectionError(cause, url));
    });
    sent.on("response", (body) => {
      const { statusCode: status = 0, headers } = body;
      resolve({ status, origin: url.origin, headers, body });
    });
    sent.end(request.body);
  });
}

/** Reads a short text body; a longer one is cut off, and its connection with it. */
export async function readText(reply: HttpReply, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of receive(reply)) {
    chunks.push(chunk);
    if ((bytes += chunk.length) > bytesMax) break;
  }
  return Buffer.concat(chunks).subarray(0, bytesMax).toString("utf8");
}

/**
 * The bytes of a body. Throws TransientError when the connection breaks or fewer bytes arrive than
 * Content-Length promised, which Node reports alike; more never do, Node ends the body there.
 * StorageError when it comes too slowly: tried again, it would hardly come faster.
 */
export async function* receive(
  reply: Pick<HttpReply, "headers" | "origin"> & { readonly body: AsyncIterable<unknown> },
  nowMs = (): number => performance.now(),
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let minute = { sinceMs: nowMs(), bytes: 0 };
  try {
    for await (const chunk of reply.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      yield chunk;
      minute.bytes += chunk.length;
      if (nowMs() - minute.sinceMs < PACE_MS) continue;
      if (minute.bytes < PACE_BYTES_MIN) throw tooSlow(reply.origin, minute.bytes);
      minute = { sinceMs: nowMs(), bytes: 0 };
    }
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    const promised = parseLength(reply.headers["content-length"]) ?? "an unknown number of";
    throw new TransientError(`the connection broke after ${bytes} of ${promised} bytes`, { cause });
  }
}

function tooSlow(origin: string, bytes: number): StorageError {
  return new StorageError(
    "unavailable",
    `${origin} sent ${bytes} bytes in a minute; check it and what lies between`,
  );
}

/** Content-Length, if it is a number that can be counted to. */
export function parseLength(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,15}$/.test(header)) return undefined;
  return Number(header);
}

/** Retry-After in milliseconds, if it is given in seconds: storage servers don't send dates. */
export function parseRetryAfterMs(header: string | undefined): number | undefined {
  const seconds = parseLength(header);
  return seconds === undefined ? undefined : seconds * 1000;
}

/** Certificate trouble does not pass by waiting; everything else may. */
function connectionError(cause: Error, url: URL): Error {
  if (cause instanceof StorageError) return cause;
  const code = "code" in cause ? String(cause.code) : "";
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|^ERR_TLS|^ERR_SSL/.test(code)) {
    return new StorageError(
      "unavailable",
      `${url.origin}: its certificate is not trusted (${cause.message}); ` +
        "set NODE_EXTRA_CA_CERTS to a mounted file with the certificate authority",
      { cause },
    );
  }
  const why = cause instanceof AggregateError ? String(cause.errors[0]) : cause.message;
  return new TransientError(`no connection to ${url.origin} (${why})`, { cause });
}
