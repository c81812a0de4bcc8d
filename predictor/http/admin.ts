/**
 * The administration's port: the repository's routes, for whoever has the token. It is a port of its
 * own because the service's port is the one that Knative opens to clients.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { ServingError } from "../errors.ts";
import { sendError } from "./answer.ts";
import { createApp } from "./app.ts";
import { connectionLimits } from "./limits.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addMetadataRoutes } from "./routes/metadata.ts";
import { addRepositoryRoutes } from "./routes/repository.ts";
import type { AppOptions } from "./routes/route.ts";
import { addStatisticsRoutes } from "./routes/statistics.ts";

export type AdminOptions = AppOptions & {
  readonly host: string;
  /** 0 is a free one. */
  readonly port: number;
  readonly token: string;
};

/** Names and bodies of operators are short. */
const bodyBytesMax = 1_048_576;
const receiveMs = 30_000;
const connectionsMax = 100;

const families = [addRepositoryRoutes, addHealthRoutes, addStatisticsRoutes, addMetadataRoutes];

/** Listens until the process ends. Resolves with the port. */
export async function listenAdmin(options: AdminOptions): Promise<number> {
  const app: RequestListener = createApp({ ...options, bodyBytesMax }, families);
  const allowed = tokenCheck(options.token);
  const { headersMs: headersTimeout, checkMs: connectionsCheckingInterval } = connectionLimits;
  const limits = { headersTimeout, requestTimeout: receiveMs, connectionsCheckingInterval };
  const server = createServer(limits, (request, response) => {
    if (allowed(request.headers.authorization)) {
      app(request, response);
      return;
    }
    response.setHeader("www-authenticate", 'Bearer realm="model repository"');
    const says = "this port needs the header Authorization: Bearer with ADMIN_TOKEN";
    sendError(response, new ServingError("unauthorized", says));
  });
  server.maxConnections = connectionsMax;
  server.listen(options.port, options.host);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/**
 * Whether an Authorization header bears the token. Digests are compared, in a time that tells
 * nothing of how much of a guess is right, nor of the token's length.
 */
export function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(token);
  return (authorization) => {
    const given = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
}
