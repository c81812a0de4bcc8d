/**
 * What a handler may export; docs/hooks.md. The package exports this file, for a handler's author:
 *   import type { Preprocess } from "pilotlight/handler";
 */

/** A request as the handler sees it. */
export type HookRequest = {
  /**
   * An `event` is a CloudEvent at the root, whose data may be of either. Of `grpc` the bodies are
   * those of v2 in JSON, and the headers are the call's metadata.
   */
  readonly protocol: "v1" | "v2" | "event" | "grpc";
  /** The client's `x-request-id`, or one made for it. */
  readonly id: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The JSON value, or the bytes when they are no JSON. */
  readonly body: unknown;
};

export type HookResponse = {
  /** HTTP's, also of an answer by gRPC. */
  readonly status: number;
  /** The JSON value, or the bytes of an answer with binary tensors. */
  readonly body: unknown;
};

export type LoadContext = {
  readonly model: { readonly name: string; readonly version: string; readonly folder: string };
  /** A line in the predictor's log. */
  readonly log: (message: string) => void;
};

export type HookContext<State = unknown> = LoadContext & {
  /** What `load` returned. */
  readonly state: State;
  /** The request as the client sent it. */
  readonly request: HookRequest;
  /** For what one hook leaves for the next of the same request. */
  readonly values: Record<string, unknown>;
  /** Aborted when the client has left or the time is up. */
  readonly signal: AbortSignal;
};

export type AfterResponseEvent = {
  readonly request: HookRequest;
  /** As the client got it. */
  readonly response: HookResponse;
  readonly durationMs: number;
};

/** Once, before the model serves. What it throws is a failed load. */
export type Load<State = unknown> = (context: LoadContext) => State | Promise<State>;

/**
 * Before the inference. `{ body }` replaces the request's: a JSON value, or bytes. Throw an Error
 * with `status: 400` (or 404, 429) for what is the client's fault; its message is the answer.
 */
export type Preprocess<State = unknown> = (
  request: HookRequest,
  context: HookContext<State>,
) => Replacement | void | Promise<Replacement | void>;

/** After the inference, before the answer. `{ body }` replaces the answer's. */
export type Postprocess<State = unknown> = (
  response: HookResponse,
  context: HookContext<State>,
) => Replacement | void | Promise<Replacement | void>;

/** After the answer was sent, of whatever kind it was. Nobody waits for it. */
export type AfterResponse<State = unknown> = (
  event: AfterResponseEvent,
  context: HookContext<State>,
) => void | Promise<void>;

export type Replacement = {
  readonly body: unknown;
  /** Of bytes; `application/octet-stream` without it. */
  readonly contentType?: string;
};

export type Handler<State = unknown> = {
  readonly load?: Load<State>;
  readonly preprocess?: Preprocess<State>;
  readonly postprocess?: Postprocess<State>;
  readonly afterResponse?: AfterResponse<State>;
};
