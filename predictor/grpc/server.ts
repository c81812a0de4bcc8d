/**
 * The gRPC side: connections, deadlines, status codes. Loaded only where it is asked for, so that a
 * cold start without gRPC doesn't pay for it.
 */
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type {
  Metadata,
  ServerDuplexStream,
  ServerUnaryCall,
  ServiceDefinition,
  StatusObject,
  UntypedServiceImplementation,
  sendUnaryData,
} from "@grpc/grpc-js";
import { once } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { createServer as createListener } from "node:net";
import type { AddressInfo, Server as Listener } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { ServingError } from "../errors.ts";
import { asServingError } from "../http/answer.ts";
import { connectionLimits } from "../http/limits.ts";
import { methods } from "../protocol/grpc-messages.ts";
import type { Method, MethodName } from "../protocol/grpc-messages.ts";
import { decodeMessage, encodeMessage } from "../protocol/protobuf.ts";
import type { Message, MessageType } from "../protocol/protobuf.ts";
import type { Bytes } from "../protocol/tensor.ts";
import { endSoon, guardMessages, guardStreams } from "./guard.ts";
import type { StreamLimits } from "./guard.ts";
import { healthDefinition, healthService } from "./health.ts";
import { createHandlers } from "./service.ts";
import type { Call, GrpcOptions, Handlers } from "./service.ts";
import { codes } from "./status.ts";

export type GrpcServerOptions = GrpcOptions & {
  /** The limit of a message, as of an HTTP body. */
  readonly bodyBytesMax: number;
  readonly connectionsMax: number;
  readonly requestTimeoutMs: number;
  /** Others than usual. */
  readonly limits?: Partial<StreamLimits & SessionLimits>;
};

type SessionLimits = {
  /** A connection without a call for so long is closed. */
  readonly idleMs: number;
  /** One that doesn't answer a ping, sent so often, is gone. */
  readonly pingMs: number;
  readonly pingTimeoutMs: number;
  /** Calls of one connection at a time; more wait at the client. */
  readonly callsMax: number;
};

const sessionLimits: SessionLimits = {
  idleMs: 300_000,
  pingMs: 60_000,
  pingTimeoutMs: 20_000,
  callsMax: 1000,
};
/** Requests of one ModelStreamInfer that are not answered yet; more wait at the client. */
const streamedMax = 64;

const streamingMethod = "ModelStreamInfer" satisfies MethodName;

/** After so long without a call a draining server may close. */
const quietMs = 200;
const checkMs = 20;

/** How much is going on, so that a drain knows when it's done. */
class Activity {
  #inFlight = 0;
  #lastMs = 0;

  watch(handlers: Handlers): Handlers {
    const watched = Object.entries(handlers).map(([name, handle]) => {
      const counting: typeof handle = async (request, call) => {
        this.#inFlight++;
        this.#lastMs = performance.now();
        try {
          return await handle(request, call);
        } finally {
          this.#inFlight--;
        }
      };
      return [name, counting];
    });
    return Object.fromEntries(watched) as Handlers;
  }

  isQuiet(): boolean {
    return this.#inFlight === 0 && performance.now() - this.#lastMs >= quietMs;
  }
}

export class GrpcServer {
  readonly #server: Server;
  readonly #inject: (connection: Duplex) => void;
  readonly #activity = new Activity();
  readonly #connectionsMax: number;
  readonly #unguard: () => void;
  #listener: Listener | undefined;

  constructor(options: GrpcServerOptions) {
    const receiveMs = options.requestTimeoutMs + connectionLimits.bodyGraceMs;
    const { stallMs } = connectionLimits;
    const limits = { receiveMs, stallMs, ...sessionLimits, ...options.limits };
    this.#server = new Server({
      "grpc.max_receive_message_length": options.bodyBytesMax,
      "grpc.max_send_message_length": -1,
      "grpc.max_concurrent_streams": limits.callsMax,
      "grpc.max_connection_idle_ms": limits.idleMs,
      "grpc.keepalive_time_ms": limits.pingMs,
      "grpc.keepalive_timeout_ms": limits.pingTimeoutMs,
    });
    this.#connectionsMax = options.connectionsMax;
    this.#unguard = guardStreams(limits, (path) => path.endsWith(`/${streamingMethod}`));
    const handlers = this.#activity.watch(createHandlers(options));
    const about = { onFault: options.onFault, receiveMs: limits.receiveMs };
    this.#server.addService(serviceDefinition(), implementation(handlers, about));
    this.#server.addService(
      healthDefinition,
      healthService(() => options.service.ready),
    );
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#inject = (connection) => injector.injectConnection(connection);
  }

  /** Listens; port 0 is a free one. Resolves with the port. */
  async listen(port: number, host: string): Promise<number> {
    // A listener of our own: that of grpc-js has no limit of connections.
    this.#listener = createListener((socket) => this.#inject(socket));
    this.#listener.maxConnections = this.#connectionsMax;
    this.#listener.listen(port, host);
    await once(this.#listener, "listening");
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Serves a connection that another listener took. */
  serve(connection: Duplex): void {
    this.#inject(connection);
  }

  /**
   * Goes on serving until nothing is in flight and nobody asked for a moment, then closes; within
   * the limit.
   */
  async drain(limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    const left = (): number => endMs - performance.now();
    while (left() > 0 && !this.#activity.isQuiet()) await delay(Math.min(checkMs, left()));
    const { promise, resolve } = Promise.withResolvers<void>();
    // Idle connections of clients that keep them open don't hold a drain up.
    const timer = setTimeout(resolve, Math.min(quietMs, Math.max(0, left())));
    this.#listener?.close();
    this.#server.tryShutdown(() => resolve());
    await promise;
    clearTimeout(timer);
    this.#server.forceShutdown();
    this.#unguard();
  }
}

function serviceDefinition(): ServiceDefinition {
  const serialize = (type: MessageType) => (message: Message) =>
    Buffer.concat(encodeMessage(type, message));
  const entries = Object.entries(methods).map(([name, method]: [string, Method]) => {
    const { request, first = request, response, stream = false } = method;
    return [
      name,
      {
        path: `/inference.GRPCInferenceService/${name}`,
        requestStream: stream,
        responseStream: stream,
        requestSerialize: serialize(request),
        requestDeserialize: lazily(first),
        responseSerialize: serialize(response),
        responseDeserialize: lazily(response),
      },
    ];
  });
  return Object.fromEntries(entries) as ServiceDefinition;
}

/** Decoding is the handler's: what grpc-js catches here would be our fault, not the client's. */
type Lazy = { readonly bytes: Bytes; readonly decode: () => Message };

const lazily =
  (type: MessageType) =>
  (buffer: Buffer): Lazy => {
    const bytes = buffer as unknown as Bytes;
    return { bytes, decode: () => decodeMessage(type, bytes) };
  };

function implementation(
  handlers: Handlers,
  { onFault, receiveMs }: Pick<GrpcOptions, "onFault"> & Pick<StreamLimits, "receiveMs">,
): UntypedServiceImplementation {
  const failed: Failed = (error, call) => {
    const fault = asServingError(error);
    if (fault.code === "failed" || fault.code === "deadline") {
      onFault(fault, { headers: call.headers() });
    }
    return fault;
  };
  const unary =
    (name: keyof Handlers) =>
    (call: ServerUnaryCall<Lazy, Message>, answer: sendUnaryData<Message>): void => {
      const aborted = new AbortController();
      call.on("cancelled", () => aborted.abort());
      const { bytes, decode } = call.request;
      const about = { ...describeCall(call, aborted.signal), received: bytes };
      Promise.resolve()
        .then(async () => handlers[name](decode(), about))
        .then(
          (message) => answer(null, message),
          (error: unknown) => answer(statusOf(failed(error, about))),
        );
    };
  const names = Object.keys(methods).filter((name): name is keyof Handlers => name in handlers);
  return {
    ...Object.fromEntries(names.map((name) => [name, unary(name)])),
    [streamingMethod]: streamed(handlers, failed, receiveMs),
  };
}

/** What goes wrong as fault; what is ours is told. */
type Failed = (error: unknown, call: Call) => ServingError;

/** Requests run at once; answers keep their order, and a fault is one answer among others. */
function streamed(handlers: Handlers, failed: Failed, receiveMs: number) {
  return (call: ServerDuplexStream<Lazy, Message>): void => {
    const aborted = new AbortController();
    call.on("cancelled", () => aborted.abort());
    const described = describeCall(call, aborted.signal);
    let received = 0;
    let last = Promise.resolve();
    let open = 0;
    const take = ({ bytes, decode }: Lazy): void => {
      if (++open >= streamedMax) call.pause();
      const about = { ...described, received: bytes, place: ++received };
      const answered = Promise.resolve()
        .then(async () => handlers.ModelInfer(decode(), about))
        .then(
          (message): Message => ({ infer_response: message }),
          (error: unknown): Message => ({ error_message: failed(error, about).message }),
        );
      last = last.then(async () => {
        if (!call.write(await answered)) await drained(call);
        if (open-- === streamedMax) call.resume();
      });
    };
    call.on("data", take);
    const stream = streamOf(call);
    guardMessages(stream, receiveMs, () => {
      call.off("data", take);
      const details = `a message was not whole ${receiveMs / 1000} s after its first byte`;
      // What came before it is answered.
      void last.then(() => {
        call.emit("error", { code: status.DEADLINE_EXCEEDED, details });
        endSoon(stream);
      });
    });
    call.on("end", () => void last.then(() => call.end()));
    call.on("error", () => aborted.abort());
  };
}

/** The stream of HTTP/2 below a call, which grpc-js keeps to itself: not in its types. */
function streamOf(call: unknown): ServerHttp2Stream {
  return (call as { readonly call: { readonly stream: ServerHttp2Stream } }).call.stream;
}

/** A client that doesn't read its answers sends no more requests. */
async function drained(call: ServerDuplexStream<Lazy, Message>): Promise<void> {
  if (call.cancelled) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const event of ["drain", "cancelled"]) call.on(event, resolve);
  await promise;
  for (const event of ["drain", "cancelled"]) call.off(event, resolve);
}

function describeCall(
  call: { readonly metadata: Metadata; getDeadline(): Date | number; getPath(): string },
  signal: AbortSignal,
): Omit<Call, "received"> {
  const [authorization] = call.metadata.get("authorization");
  const deadline = Number(call.getDeadline());
  return {
    authorization: typeof authorization === "string" ? authorization : undefined,
    path: call.getPath(),
    headers: () => textsOf(call.metadata),
    timeoutMs: Number.isFinite(deadline) ? Math.max(1, deadline - Date.now()) : undefined,
    signal,
  };
}

/** Metadata is of bytes where its name ends so; a handler gets the texts. */
function textsOf(metadata: Metadata): Record<string, string> {
  const entries = Object.entries(metadata.getMap());
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  );
}

function statusOf(fault: ServingError): Partial<StatusObject> {
  return { code: codes[fault.code], details: fault.message };
}
