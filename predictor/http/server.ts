/**
 * The listener: up before the application is, so that probes are answered from the first moment;
 * counts what is in flight, so that a drain knows when it's done.
 */
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { ServingError } from "../errors.ts";
import type { ServedModel, ServedVersion } from "../served-model.ts";
import { sendError, sendJson } from "./answer.ts";
import { serveInference } from "./inference.ts";
import type { InferenceOptions, Protocol } from "./inference.ts";
import type { Cors } from "./cors.ts";
import { splitByPreface } from "./h2c.ts";
import { connectionLimits } from "./limits.ts";
import type { ConnectionLimits } from "./limits.ts";
import { probes } from "./routes/health.ts";
import type { Service } from "./service.ts";

export type HttpServerOptions = {
  readonly service: Service;
  readonly requestTimeoutMs: number;
  /** Told the status of each answer. */
  readonly answered: (status: number) => void;
  readonly inference: InferenceOptions;
  readonly cors?: Cors | undefined;
  /** Others than usual. */
  readonly limits?: Partial<ConnectionLimits>;
};

/** Longer than proxies keep idle connections (90 s in Go), else they'd send into a closed one. */
const keepAliveTimeoutMs = 120_000;
/** After this long without a request a draining server may close. */
const quietMs = 200;

type Hot = {
  readonly model: ServedModel;
  readonly version: ServedVersion;
  readonly protocol: Protocol;
};

export class HttpServer {
  readonly #server: Server;
  readonly #options: HttpServerOptions;
  readonly #hot = new Map<string, Hot>();
  #app: RequestListener | undefined;
  #inFlight = 0;
  #lastRequestAt = 0;
  #onChange: () => void = () => {};

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const limits = { ...connectionLimits, ...options.limits };
    this.#server = createServer(
      {
        keepAliveTimeout: keepAliveTimeoutMs,
        headersTimeout: limits.headersMs,
        requestTimeout: Math.max(options.requestTimeoutMs + limits.bodyGraceMs, limits.headersMs),
        connectionsCheckingInterval: limits.checkMs,
        noDelay: true,
      },
      (request, response) => this.#handle(request, response),
    );
    this.#server.maxConnections = limits.connectionsMax;
    this.#server.timeout = limits.stallMs;
    this.#server.on("timeout", (socket: Socket) => this.#stalled(socket));
    this.#server.on("clientError", answerClientError);
  }

  /** Listens; port 0 is a free one. Resolves with the port. */
  async listen(port: number, host: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(port, host, resolve);
    await promise;
    return (this.#server.address() as AddressInfo).port;
  }

  /** Gives connections that speak HTTP/2 away: this server is of HTTP/1.1. */
  share(http2: (socket: Socket) => void): void {
    const own = this.#server.listeners("connection");
    this.#server.removeAllListeners("connection");
    const http1 = (socket: Socket): void => {
      for (const listener of own) Reflect.apply(listener, this.#server, [socket]);
    };
    this.#server.on("connection", splitByPreface({ http1, http2 }));
  }

  /** The routes are there. */
  use(app: RequestListener): void {
    this.#app = app;
  }

  /**
   * The loaded model's own paths skip the router: a lookup instead of a dozen regular expressions
   * saves a tenth of the time of a small inference.
   */
  serve(model: ServedModel): void {
    const version = model.default;
    const v2 = `/v2/models/${encodeURIComponent(model.name)}`;
    this.#hot.set(`${v2}/infer`, { model, version, protocol: "v2" });
    const versioned = `${v2}/versions/${encodeURIComponent(version.version)}/infer`;
    this.#hot.set(versioned, { model, version, protocol: "v2" });
    const v1 = `/v1/models/${encodeURIComponent(model.name)}:predict`;
    this.#hot.set(v1, { model, version, protocol: "v1" });
  }

  /** The model's paths are the router's again: it left, or another one of its name comes. */
  forget(name: string): void {
    for (const [path, { model }] of this.#hot) {
      if (model.name === name) this.#hot.delete(path);
    }
  }

  /**
   * Goes on serving until nothing is in flight and nobody asked for a moment, then closes. Resolves
   * with the number of requests cut off because `limitMs` was over.
   */
  async drain(limitMs: number): Promise<number> {
    const end = performance.now() + limitMs;
    this.#lastRequestAt = performance.now();
    while (performance.now() < end) {
      const quietFor = performance.now() - this.#lastRequestAt;
      if (this.#inFlight === 0 && quietFor >= quietMs) break;
      const wait = this.#inFlight === 0 ? quietMs - quietFor : end - performance.now();
      await this.#changeWithin(wait);
    }
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    this.#server.closeIdleConnections();
    while (this.#inFlight > 0 && performance.now() < end) {
      await this.#changeWithin(end - performance.now());
    }
    const cut = this.#inFlight;
    this.#server.closeAllConnections();
    await closed.promise;
    return cut;
  }

  /** Nothing moved for a while: only who waits for a model may go on. */
  #stalled(socket: Socket): void {
    const asked = (socket as Answering)._httpMessage?.req.complete === true;
    if (!asked || socket.writableLength > 0) socket.destroy();
  }

  async #changeWithin(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.max(1, ms));
    this.#onChange = resolve;
    await promise;
    clearTimeout(timer);
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { service, answered, cors } = this.#options;
    this.#inFlight++;
    response.once("close", () => {
      this.#inFlight--;
      if (response.headersSent) answered(response.statusCode);
      this.#onChange();
    });
    if (service.phase === "draining") {
      this.#lastRequestAt = performance.now();
      response.setHeader("connection", "close");
      response.shouldKeepAlive = false;
      this.#onChange();
    }
    if (cors?.(request, response) === true) return;
    const probe = request.method === "GET" ? probes.get(request.url ?? "") : undefined;
    const hot = request.method === "POST" ? this.#hot.get(request.url ?? "") : undefined;
    if (probe !== undefined && this.#app !== undefined) probe(response, service);
    else if (hot !== undefined)
      void serveInference({ request, response }, hot, this.#options.inference);
    else if (this.#app !== undefined) this.#app(request, response);
    else answerEarly(request, response);
  }
}

/** Before the routes are loaded, a few tens of milliseconds: live, and not ready for anything. */
function answerEarly(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === "/v2/health/live") sendJson(response, 200, '{"live":true}');
  else sendError(response, new ServingError("not-ready", "starting, try again later"));
}

const clientErrors: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/**
 * Node's own note of the answer that the connection is at: not in its types. A map of ours from
 * connections to requests cost a tenth of a small request's time, in garbage collections.
 */
type Answering = { readonly _httpMessage?: ServerResponse | null };

const broken = new WeakSet<Socket>();

/** Answers what isn't HTTP, after the requests that came before it on the same connection. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  if (broken.has(socket)) return;
  broken.add(socket);
  const next = (): void => {
    const { _httpMessage: before } = socket as Answering;
    // An answer to a request whose own body is broken would be waited for in vain.
    if (before?.req.complete === true) before.once("finish", next);
    else if (socket.writable) refuse(error, socket);
  };
  next();
}

/** There is no response object: the answer is written by hand, as JSON like the others. */
function refuse(error: Error & { code?: string }, socket: Socket): void {
  const status = clientErrors[error.code ?? ""] ?? "400 Bad Request";
  const body = JSON.stringify({ error: status.slice(4).toLowerCase() });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
}
