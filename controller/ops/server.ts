/**
 * Health and metrics on a port of their own. Liveness asks whether this process turns; readiness
 * whether its caches are synced. Leadership is part of neither: a standby is as healthy as the
 * leader.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIPv6 } from "node:net";

export interface OpsServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What keeps us from being alive; empty while nothing does. */
  readonly unhealthy?: () => readonly string[];
  /** What keeps us from being ready, one sentence each; empty when ready. */
  readonly unready: () => readonly string[];
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
}

export interface OpsServer {
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=utf-8";
const CONNECTIONS_MAX = 256;

/** Listens, or rejects with the reason why it cannot. */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (req, res) => {
    void respond(options, req, res);
  });
  server.maxConnections = CONNECTIONS_MAX;
  const port = await listen(server, options);
  const host = isIPv6(options.host) ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, close: () => close(server) };
}

async function respond(
  options: OpsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, type, body } = await answer(options, request);
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

async function answer(options: OpsServerOptions, request: IncomingMessage): Promise<Answer> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { status: 405, type: TEXT, body: "only GET and HEAD\n" };
  }
  const [path] = (request.url ?? "/").split("?");
  switch (path) {
    case "/healthz":
    case "/livez":
      return verdict(options.unhealthy?.() ?? []);
    case "/readyz":
      return verdict(options.unready());
    case "/metrics":
      return scrape(options);
    default:
      return { status: 404, type: TEXT, body: "paths: /healthz /readyz /metrics\n" };
  }
}

function verdict(problems: readonly string[]): Answer {
  return problems.length === 0
    ? { status: 200, type: TEXT, body: "ok\n" }
    : { status: 503, type: TEXT, body: `${problems.join("\n")}\n` };
}

async function scrape({ metrics }: OpsServerOptions): Promise<Answer> {
  try {
    return { status: 200, type: metrics.contentType, body: await metrics.render() };
  } catch {
    // A broken metric must not take the health checks with it; what broke is none of the scraper's
    // business.
    return { status: 500, type: TEXT, body: "the metrics could not be collected\n" };
  }
}

function listen(server: Server, { host, port }: OpsServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new Error(`cannot serve health and metrics on ${host}:${port}`, { cause }));
    });
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
