/**
 * The payload log: requests and answers as CloudEvents to a sink (KServe's `logger`; the same types,
 * extensions and ids, kserve pkg/logger). Other than KServe's it never holds up a request: what does
 * not fit into the queue is dropped and counted.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { AnswerBody, Subject, Watcher } from "./watch.ts";

export type PayloadLogMode = "all" | "request" | "response";

export type PayloadLogSettings = {
  readonly mode: PayloadLogMode;
  /** Share of the requests that is logged, 0 to 1; a request and its answer go together. */
  readonly sample: number;
  /** Request headers that go along as the extension `metadata`. */
  readonly metadataHeaders: readonly string[];
  /** `ce-source` of the events. */
  readonly source: string;
  /** Extensions of every event, by KServe's names: inferenceservicename, namespace, component. */
  readonly extensions: Readonly<Record<string, string>>;
};

/** An event, as the headers and the body of a POST (CloudEvents 1.0, binary mode). */
export type PayloadEvent = {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
};

/** Where events go. Takes them at once, and drops what it has no room for. */
export type PayloadSink = { offer(event: PayloadEvent): void };

const typePrefix = "org.kubeflow.serving.inference";

/** A watcher that offers events to the sink. `random` and `now` are those of the machine. */
export function payloadLog(
  settings: PayloadLogSettings,
  sink: PayloadSink,
  { random, now }: { random: () => number; now: () => Date } = machine,
): Watcher {
  const { mode, sample } = settings;
  return (subject) => {
    if (random() >= sample) return undefined;
    const { requestId: id, headers, model } = subject;
    const offer = (kind: "request" | "response", data: AnswerBody): void => {
      const contentType = kind === "request" ? typeOfRequest(subject) : typeOfAnswer(subject, data);
      const occurrence = { kind, id, model, at: now().toISOString(), request: headers };
      const body = Buffer.concat(data.map((part) => Buffer.from(part as Uint8Array)));
      const head = { ...headersOf(occurrence, settings), "content-type": contentType };
      sink.offer({ headers: head, body });
    };
    return {
      received: (body) => {
        if (mode !== "response") offer("request", [body]);
      },
      answered: ({ status, body }) => {
        if (mode === "request" || status !== 200 || body === undefined) return;
        offer("response", body);
      },
    };
  };
}

const machine = { random: Math.random, now: () => new Date() };

type Occurrence = {
  readonly kind: "request" | "response";
  readonly id: string;
  readonly model: string;
  /** RFC 3339. */
  readonly at: string;
  readonly request: IncomingHttpHeaders;
};

function headersOf(
  { kind, id, model, at, request }: Occurrence,
  settings: PayloadLogSettings,
): Record<string, string> {
  const extensions = Object.entries(settings.extensions).map(([key, value]) => [
    `ce-${key}`,
    value,
  ]);
  const metadata = settings.metadataHeaders.flatMap((name) => {
    const value = request[name.toLowerCase()];
    return value === undefined ? [] : [[name, [value].flat()]];
  });
  return {
    "ce-specversion": "1.0",
    "ce-id": id,
    "ce-type": `${typePrefix}.${kind}`,
    "ce-source": settings.source,
    "ce-time": at,
    "ce-endpoint": model,
    ...(Object.fromEntries(extensions) as Record<string, string>),
    ...(metadata.length === 0
      ? {}
      : { "ce-metadata": encodeURIComponent(JSON.stringify(Object.fromEntries(metadata))) }),
  };
}

/** A message of gRPC as it is on the wire, without a frame; so CloudEvents call it. */
const ofMessages = "application/protobuf";

/** Answers are messages, JSON text, or JSON and raw tensors. */
function typeOfAnswer({ protocol }: Subject, body: AnswerBody): string {
  if (protocol === "grpc") return ofMessages;
  return body.length === 1 ? "application/json" : "application/octet-stream";
}

function typeOfRequest({ protocol, headers }: Subject): string {
  if (protocol === "grpc") return ofMessages;
  if (headers["inference-header-content-length"] !== undefined) return "application/octet-stream";
  return headers["content-type"] ?? "application/json";
}
