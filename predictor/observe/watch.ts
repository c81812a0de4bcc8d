/**
 * What may look on while a request is served: traces, the payload log, the request log. Nobody
 * looks on unless it is configured, and then the hot path pays a check for undefined.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { WorkResult } from "../batch/batcher.ts";
import type { ServingError } from "../errors.ts";
import { requestIdOf } from "./request-id.ts";

/** Which request. */
export type Subject = {
  readonly protocol: "http" | "grpc";
  /** The client's, or a new one. */
  readonly requestId: string;
  readonly method: string;
  /** Path and query as the client sent them; of gRPC, the method's path. */
  readonly url: string;
  /** Of gRPC, the metadata that is text. */
  readonly headers: IncomingHttpHeaders;
  readonly model: string;
  readonly version: string;
};

/** JSON, and raw tensors after it in a binary answer; of gRPC, the message in pieces. */
export type AnswerBody = readonly (string | Uint8Array)[];

export type Answered = {
  /** HTTP's; of gRPC, the one that stands beside its own in the table of errors. */
  readonly status: number;
  /** The name of gRPC's own. */
  readonly grpcStatus?: string;
  /** The answer's body; undefined when it was streamed, or never sent. */
  readonly body?: AnswerBody | undefined;
  /** Why it failed, when it did. */
  readonly fault?: ServingError;
};

/** Told of one request's life, in this order; `ran` may be missing. None of them may throw. */
export type Watch = {
  /** The whole body is there. */
  received?(body: Uint8Array): void;
  /** The model has run. */
  ran?(result: WorkResult): void;
  /** The answer is written, or there is nobody left to write it to. */
  answered(answer: Answered): void;
};

/** Asked once for each request; undefined when it does not want to look on. */
export type Watcher = (subject: Subject) => Watch | undefined;

/** Several watchers as one; undefined for none. */
export function allOf(watchers: readonly Watcher[]): Watcher | undefined {
  if (watchers.length < 2) return watchers[0];
  return (subject) => {
    const watches = watchers.flatMap((watcher) => watcher(subject) ?? []);
    return {
      received: (body) => watches.forEach((each) => each.received?.(body)),
      ran: (result) => watches.forEach((each) => each.ran?.(result)),
      answered: (answer) => watches.forEach((each) => each.answered(answer)),
    };
  };
}

/** What a request says of itself; an IncomingMessage is one. */
type Request = {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
};

/** The subject of a request for a model over HTTP. */
export function subjectOf(request: Request, model: string, version: string): Subject {
  const { method = "", url = "", headers } = request;
  const requestId = requestIdOf(headers);
  return { protocol: "http", requestId, method, url, headers, model, version };
}
