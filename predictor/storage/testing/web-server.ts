import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";

/** A web server of a test on a free port of the loopback interface. */
export interface WebServer extends AsyncDisposable {
  readonly url: string;
  /** The paths that were asked for, in order. */
  readonly requests: readonly string[];
}

export type Handler = (request: http.IncomingMessage, reply: http.ServerResponse) => void;

/** Starts a server; with `tls` it speaks https. */
export async function startWebServer(
  handler: Handler,
  tls?: { readonly key: string; readonly cert: string },
): Promise<WebServer> {
  const requests: string[] = [];
  const listener: Handler = (request, reply) => {
    requests.push(request.url ?? "");
    handler(request, reply);
  };
  const server =
    tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
