/**
 * The one way to the API server: JSON in and out, a deadline for each call, bounded bodies, typed
 * errors. Writes are never repeated here: the work queue does that, from a fresh look at the world.
 */
import type { Dispatcher } from "undici";
import { backoffMs, type Backoff } from "./backoff.ts";
import { parseJson, readText, type Chunks } from "./body.ts";
import { sleep, systemClock, type Clock, type Random } from "./clock.ts";
import type { Credentials, CredentialsSource } from "./credentials.ts";
import { createDispatchers, type Dispatchers } from "./dispatchers.ts";
import { ApiError, DeadlineError, DecodeError, parseFailure, TransportError } from "./errors.ts";
import { noMetrics, type KubeMetrics } from "./hooks.ts";

export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Of the body; application/json unless told. */
  readonly contentType?: string;
  /** What the answer should be; application/json unless told. */
  readonly accept?: string;
  /** For the whole call, or for the headers alone when the answer is a stream. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Attempts after the first, for GET only; 2 unless told. */
  readonly retries?: number;
  /** Runs last before the request leaves; what it throws keeps the request from leaving. */
  readonly beforeSend?: () => void;
}

export interface KubeStream {
  readonly chunks: Chunks;
  close(): void;
  /** Closes, and has later calls use a new connection: for a peer that seems to have vanished. */
  abandon(): void;
}

export interface KubeHttp {
  /** Rejects with ApiError, TransportError, DeadlineError, DecodeError, or the signal's reason. */
  json<T>(request: KubeRequest): Promise<T>;
  /** The same, for an answer that is read as it comes. The caller closes it. */
  stream(request: KubeRequest): Promise<KubeStream>;
  close(): Promise<void>;
}

export interface HttpOptions {
  readonly credentials: CredentialsSource;
  /** `pilotlight-controller/<version>`. */
  readonly userAgent: string;
  readonly deadlineMs?: number;
  readonly bodyBytesMax?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly metrics?: KubeMetrics;
}

const READ_BACKOFF: Backoff = { baseMs: 200, capMs: 2000 };
const READ_RETRIES = 2;
const RETRY_AFTER_INLINE_MS_MAX = 5000;
const FAILURE_BYTES_MAX = 1024 * 1024;
const RETRIED_STATUSES: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

interface Settings extends Required<Omit<HttpOptions, "credentials">> {
  readonly credentials: CredentialsSource;
  readonly dispatchers: Dispatchers;
}

/**
 * A client with connections of its own: make one for reads and writes, and another for the lease.
 */
export function createHttp(options: HttpOptions): KubeHttp {
  const settings: Settings = {
    deadlineMs: 30_000,
    bodyBytesMax: 128 * 1024 * 1024,
    clock: systemClock,
    random: Math.random,
    metrics: noMetrics,
    ...options,
    dispatchers: createDispatchers(),
  };
  return {
    json: <T>(request: KubeRequest) => retryingRead(settings, request) as Promise<T>,
    stream: (request) =>
      // The deadline is for the headers; from there on only the caller ends the stream.
      withDeadline(settings, request, (scope) => send(settings, request, scope)),
    close: () => settings.dispatchers.close(),
  };
}

async function retryingRead(settings: Settings, request: KubeRequest): Promise<unknown> {
  const retries = request.method === "GET" ? (request.retries ?? READ_RETRIES) : 0;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await readJson(settings, request);
    } catch (error) {
      const signal = request.signal ?? new AbortController().signal;
      const waitMs = retryDelayMs(settings, error, attempt);
      if (attempt >= retries || waitMs === undefined || signal.aborted) throw error;
      await sleep(settings.clock, waitMs, signal);
    }
  }
}

/**
 * How long to wait before a read is tried again; undefined when trying again cannot help or must
 * wait too long.
 */
function retryDelayMs(settings: Settings, error: unknown, attempt: number): number | undefined {
  const delayMs = backoffMs(READ_BACKOFF, attempt, settings.random);
  if (error instanceof TransportError) return delayMs;
  if (!(error instanceof ApiError) || !RETRIED_STATUSES.has(error.status)) return undefined;
  const askedMs = error.retryAfterMs ?? 0;
  return askedMs > RETRY_AFTER_INLINE_MS_MAX ? undefined : Math.max(askedMs, delayMs);
}

function readJson(settings: Settings, request: KubeRequest): Promise<unknown> {
  return withDeadline(settings, request, async (scope) => {
    const { chunks } = await send(settings, request, scope);
    return parseJson(await readText(chunks, settings.bodyBytesMax));
  });
}

interface Scope {
  readonly signal: AbortSignal;
  /** The connections in use, once they are known. */
  dispatcher: Dispatcher | undefined;
  abort(): void;
}

/**
 * Runs one exchange under its deadline and the caller's signal, and gives each failure its type.
 */
async function withDeadline<T>(
  settings: Settings,
  request: KubeRequest,
  run: (scope: Scope) => Promise<T>,
): Promise<T> {
  const deadlineMs = request.deadlineMs ?? settings.deadlineMs;
  const controller = new AbortController();
  let expired: DeadlineError | undefined;
  const timer = settings.clock.schedule(() => {
    // Made here: an error takes its stack along, which costs more than the rest of a call.
    expired = new DeadlineError(`${callOf(request)}: no answer within ${deadlineMs} ms`);
    controller.abort(expired);
  }, deadlineMs);
  const signal =
    request.signal === undefined
      ? controller.signal
      : AbortSignal.any([controller.signal, request.signal]);
  const scope: Scope = {
    signal,
    dispatcher: undefined,
    abort: () => controller.abort(),
  };
  try {
    return await run(scope);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof ApiError) controller.abort();
    // No word in time may mean that the peer is gone and that no one told us (F11).
    if (expired !== undefined && controller.signal.reason === expired) {
      settings.dispatchers.suspect(scope.dispatcher);
    }
    throw typedError(request, error, signal);
  } finally {
    timer.cancel();
  }
}

function typedError(request: KubeRequest, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted && signal.reason instanceof DeadlineError) return signal.reason;
  if (request.signal?.aborted === true) return request.signal.reason;
  if (error instanceof DecodeError) {
    return new DecodeError(`${callOf(request)}: ${error.message}`, { cause: error });
  }
  // Sockets' and undici's errors carry a code; ours and those of `beforeSend` go through as they
  // are.
  const fromBody = error instanceof Error && "code" in error && typeof error.code === "string";
  return fromBody ? transportError(request, "the answer broke off", error) : error;
}

function transportError(request: KubeRequest, what: string, cause: unknown): TransportError {
  const why = cause instanceof Error ? describe(cause) : String(cause);
  return new TransportError(`${callOf(request)}: ${what}: ${why}`, { cause });
}

function describe(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? `${error.code} ` : "";
  return `${code}${error.message}`;
}

async function send(settings: Settings, request: KubeRequest, scope: Scope): Promise<KubeStream> {
  const credentials = await currentCredentials(settings, request);
  const dispatcher = settings.dispatchers.forCredentials(credentials);
  scope.dispatcher = dispatcher;
  const body = request.body === undefined ? null : JSON.stringify(request.body);
  scope.signal.throwIfAborted();
  request.beforeSend?.();
  const startedMs = settings.clock.nowMs();
  const observe = (code: string): void =>
    settings.metrics.httpRequest({
      method: request.method,
      code,
      host: credentials.server.host,
      durationMs: settings.clock.nowMs() - startedMs,
    });
  const response = await dispatcher
    .request({
      origin: credentials.server.origin,
      path: pathOf(credentials, request),
      method: request.method,
      headers: headersOf(settings, request, credentials),
      body,
      signal: scope.signal,
    })
    .catch((cause: unknown) => {
      observe("<error>");
      throw transportError(request, `no answer from ${credentials.server.origin}`, cause);
    });
  observe(String(response.statusCode));
  if (response.statusCode < 200 || response.statusCode > 299) {
    const text = await readText(response.body, FAILURE_BYTES_MAX);
    const retryAfter = response.headers["retry-after"];
    const header = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter;
    const failure = parseFailure(response.statusCode, text, header, settings.clock.wallMs());
    throw new ApiError(callOf(request), failure);
  }
  return {
    chunks: response.body,
    close: () => scope.abort(),
    abandon: () => {
      settings.dispatchers.suspect(dispatcher);
      scope.abort();
    },
  };
}

function currentCredentials(settings: Settings, request: KubeRequest): Promise<Credentials> {
  return settings.credentials().catch((cause: unknown) => {
    throw transportError(request, "no credentials for the API server", cause);
  });
}

function pathOf({ server }: Credentials, { path, query }: KubeRequest): string {
  const prefix = server.pathname.replace(/\/+$/, "");
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? `${prefix}${path}` : `${prefix}${path}?${search.toString()}`;
}

function headersOf(
  settings: Settings,
  request: KubeRequest,
  credentials: Credentials,
): Record<string, string> {
  return {
    ...credentials.headers,
    accept: request.accept ?? "application/json",
    "user-agent": settings.userAgent,
    ...(request.body === undefined
      ? {}
      : { "content-type": request.contentType ?? "application/json" }),
  };
}

function callOf({ method, path }: KubeRequest): string {
  return `${method} ${path}`;
}
