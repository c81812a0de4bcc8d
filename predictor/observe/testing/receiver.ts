/** Who takes what a predictor says of its requests: traces, and the events of the payload log. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, Server } from "node:http";
import type { AddressInfo } from "node:net";

export type Received = { headers: IncomingHttpHeaders; body: Buffer };
type Attribute = { key: string; value: { stringValue?: string; intValue?: number | string } };
export type OtlpSpan = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
  links?: { traceId: string; spanId: string }[];
};
type Otlp = {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: OtlpSpan[] }[];
  }[];
};

/** Takes every POST, by path; OTLP over HTTP is JSON posted to a path. */
export class Receiver implements AsyncDisposable {
  readonly posts = new Map<string, Received[]>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { url = "", headers } = request;
        const post = { headers, body: Buffer.concat(chunks) };
        this.posts.set(url, [...(this.posts.get(url) ?? []), post]);
        response.writeHead(200, { "content-type": "application/json" }).end("{}");
      });
    });
  }

  static async open(): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#server.listen(0, "127.0.0.1");
    await once(receiver.#server, "listening");
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The spans that came, and whose they are. */
  traces(): { spans: OtlpSpan[]; resource: Record<string, unknown> } {
    const exports = (this.posts.get("/v1/traces") ?? []).map(
      ({ body }) => JSON.parse(body.toString()) as Otlp,
    );
    const all = exports.flatMap(({ resourceSpans }) => resourceSpans);
    const spans = all.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    return { spans, resource: valuesOf(all[0]?.resource.attributes ?? []) };
  }

  /** The events of a kind, `request` or `response`, in the order in which they came. */
  events(kind: string): Received[] {
    const type = `org.kubeflow.serving.inference.${kind}`;
    const all = this.posts.get("/events") ?? [];
    return all.filter(({ headers }) => headers["ce-type"] === type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Attributes by name; numbers may travel as text. */
export function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
}
