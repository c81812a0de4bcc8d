import { request, type RequestOptions } from "node:https";

/** What is needed to speak to one API server. */
export interface KubeEndpoint {
  readonly url: string;
  readonly authority: string;
  readonly cert: string;
  readonly key: string;
}

export interface KubeAnswer {
  readonly status: number;
  readonly body: string;
}

export interface KubeCall {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;

/**
 * One HTTPS call to an API server, with a connection of its own. Meant for starting and
 * arranging a cluster before any client library can be pointed at it.
 */
export async function callKube(endpoint: KubeEndpoint, call: KubeCall): Promise<KubeAnswer> {
  const payload = call.body === undefined ? undefined : JSON.stringify(call.body);
  const options: RequestOptions = {
    method: call.method ?? "GET",
    ca: endpoint.authority,
    cert: endpoint.cert,
    key: endpoint.key,
    agent: false,
    timeout: call.timeoutMs ?? TIMEOUT_MS,
    headers: {
      accept: "application/json",
      ...(payload === undefined
        ? {}
        : {
            "content-type": call.contentType ?? "application/json",
            "content-length": Buffer.byteLength(payload),
          }),
    },
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(call.path, endpoint.url), options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer from ${endpoint.url}`)));
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}

/** As callKube, but an answer other than 2xx is an error that holds the server's own words. */
export async function expectKube(endpoint: KubeEndpoint, call: KubeCall): Promise<string> {
  const answer = await callKube(endpoint, call);
  if (answer.status < 200 || answer.status > 299) {
    throw new Error(
      `${call.method ?? "GET"} ${call.path}: ${answer.status} ${answer.body.slice(0, 500)}`,
    );
  }
  return answer.body;
}
