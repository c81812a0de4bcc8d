/**
 * OpenTelemetry traces, when OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) is set; loaded only
 * then. Every request becomes a server span under the client's `traceparent`, with its wait and its
 * run below. Requests that ran as one batch share a span of their own, linked both ways: a trace
 * stays one client's, and still tells who ran beside it.
 */
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Attributes, Context, Span, TextMapGetter, Tracer } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Sampler, SpanExporter } from "@opentelemetry/sdk-trace";
import type { IncomingHttpHeaders } from "node:http";
import type { WorkResult } from "../batch/batcher.ts";
import type { Subject, Watcher } from "./watch.ts";

export type TracingSettings = {
  /** `service.name`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say another. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** OTEL_TRACES_SAMPLER and its argument. */
  readonly sampler?: string | undefined;
  readonly samplerArgument?: string | undefined;
};

export type Tracing = {
  readonly watcher: Watcher;
  /** Sends what is left. */
  close(): Promise<void>;
};

/** Traces to the OTLP endpoint of the environment, or to `exporter`. */
export function createTracing(
  settings: TracingSettings,
  exporter: SpanExporter = new OTLPTraceExporter(),
): Tracing {
  const named = resourceFromAttributes({
    "service.name": settings.serviceName,
    "service.version": settings.serviceVersion,
  });
  const provider = new TracerProvider({
    // The environment has the last word, as the specification of the SDK's variables wants it.
    resource: defaultResource()
      .merge(named)
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(settings.sampler, settings.samplerArgument),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer("pilotlight", settings.serviceVersion);
  return { watcher: tracesOf(tracer), close: async () => provider.shutdown() };
}

function samplerOf(name = "parentbased_always_on", argument?: string): Sampler {
  const ratio = Number(argument ?? 1);
  const root: Sampler = name.endsWith("always_off")
    ? new AlwaysOffSampler()
    : name.endsWith("traceidratio")
      ? new TraceIdRatioBasedSampler(Number.isFinite(ratio) ? ratio : 1)
      : new AlwaysOnSampler();
  return name.startsWith("parentbased") ? new ParentBasedSampler({ root }) : root;
}

const propagator = new W3CTraceContextPropagator();
const headerGetter: TextMapGetter<IncomingHttpHeaders> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, key) => headers[key],
};

/** OpenTelemetry's semantic conventions for servers of HTTP and of gRPC. */
function tracesOf(tracer: Tracer): Watcher {
  const batches = new Batches(tracer);
  return (subject) => {
    const { headers, model, version } = subject;
    const parent = propagator.extract(ROOT_CONTEXT, headers, headerGetter);
    const { name, attributes, sizeAttribute, statusAttribute } = describe(subject);
    const about = { "pilotlight.model.name": model, "pilotlight.model.version": version };
    const span = tracer.startSpan(
      name,
      { kind: SpanKind.SERVER, attributes: { ...attributes, ...about } },
      parent,
    );
    const below = trace.setSpan(parent, span);
    return {
      received: (body) => void span.setAttribute(sizeAttribute, body.byteLength),
      ran: (result) => {
        if (span.isRecording()) stages(tracer, below, result, batches.joined(result, span));
      },
      answered: ({ status, grpcStatus, fault }) => {
        span.setAttribute(statusAttribute, grpcStatus ?? status);
        if (status >= 500) {
          span.setStatus({
            code: SpanStatusCode.ERROR,
            ...(fault === undefined ? {} : { message: fault.message }),
          });
        }
        span.end();
      },
    };
  };
}

type Description = {
  readonly name: string;
  readonly attributes: Attributes;
  readonly sizeAttribute: string;
  readonly statusAttribute: string;
};

function describe({ protocol, method, url }: Subject): Description {
  if (protocol === "grpc") {
    const name = url.slice(1);
    return {
      name,
      attributes: { "rpc.system.name": "grpc", "rpc.method": name },
      sizeAttribute: "pilotlight.request.size",
      statusAttribute: "rpc.response.status_code",
    };
  }
  const path = url.split("?", 1)[0] ?? url;
  return {
    name: `${method} ${path}`,
    attributes: { "http.request.method": method, "url.path": path },
    sizeAttribute: "http.request.body.size",
    statusAttribute: "http.response.status_code",
  };
}

/** The wait and the run, as spans below the request's: known only once they are over. */
function stages(tracer: Tracer, below: Context, result: WorkResult, batch: Span): void {
  const endedAt = Date.now();
  const startedAt = endedAt - result.run.ms;
  tracer.startSpan("queue", { startTime: startedAt - result.queueMs }, below).end(startedAt);
  const run = tracer.startSpan(
    "run",
    {
      startTime: startedAt,
      attributes: { "pilotlight.batch.requests": result.run.requests },
      links: [{ context: batch.spanContext() }],
    },
    below,
  );
  run.end(endedAt);
}

/** A span per run of the model, with a link to each request in it. */
class Batches {
  readonly #tracer: Tracer;
  readonly #open = new WeakMap<WorkResult["run"], Span>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  joined({ run }: WorkResult, request: Span): Span {
    const known = this.#open.get(run);
    const span = known ?? this.#start(run);
    span.addLink({ context: request.spanContext() });
    return span;
  }

  #start(run: WorkResult["run"]): Span {
    const endedAt = Date.now();
    const span = this.#tracer.startSpan(
      "batch",
      {
        root: true,
        startTime: endedAt - run.ms,
        attributes: {
          "pilotlight.batch.requests": run.requests,
          "pilotlight.batch.rows": run.rows,
        },
      },
      context.active(),
    );
    this.#open.set(run, span);
    // The results of a run are handed out in one turn of the loop: after it, all have joined.
    setImmediate(() => span.end(endedAt));
    return span;
  }
}
