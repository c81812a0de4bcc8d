/** Who looks on, by the environment: traces, the payload log, the request log. */
import type { Environment } from "../config.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../ops/log.ts";
import type { Metrics } from "../ops/metrics.ts";
import { payloadLog } from "./payload-log.ts";
import type { PayloadLogMode, PayloadLogSettings } from "./payload-log.ts";
import { HttpPayloadSink } from "./payload-sink.ts";
import { requestLog } from "./request-log.ts";
import { allOf } from "./watch.ts";
import type { Watcher } from "./watch.ts";

export type Observation = {
  readonly watcher: Watcher | undefined;
  /** Sends what is left, for a few seconds at most. Never rejects. */
  close(): Promise<void>;
};

type Parts = {
  readonly environment: Environment;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
};

/** Longest wait for sinks at the end of the process. */
const closeLimitMs = 3000;

/** What the environment asks for; loads nothing that it does not. */
export async function createObservation(parts: Parts): Promise<Observation> {
  const { environment, log } = parts;
  const watchers: Watcher[] = [];
  const closers: (() => Promise<void>)[] = [];
  if (tracesWanted(environment)) {
    const { createTracing } = await import("./tracing.ts");
    const tracing = createTracing({
      serviceName: environment["K_SERVICE"] ?? "pilotlight-predictor",
      serviceVersion: parts.version,
      sampler: environment["OTEL_TRACES_SAMPLER"],
      samplerArgument: environment["OTEL_TRACES_SAMPLER_ARG"],
    });
    watchers.push(tracing.watcher);
    closers.push(async () => tracing.close());
  }
  const url = environment["LOGGER_URL"];
  if (url !== undefined && url !== "") {
    const sink = new HttpPayloadSink({
      url,
      counted: (outcome) => parts.metrics.payload(outcome),
      onFailure: (reason) => log.warn({ reason, url: shown(url) }, "payload log failed"),
    });
    watchers.push(payloadLog(payloadLogSettings(environment), sink));
    closers.push(async () => sink.close(closeLimitMs));
  }
  if (environment["LOG_REQUESTS"] === "true") watchers.push(requestLog(log));
  return {
    watcher: allOf(watchers),
    close: async () => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, closeLimitMs).unref());
      const closed = Promise.allSettled(closers.map(async (close) => close()));
      await Promise.race([closed, late]);
    },
  };
}

/** OpenTelemetry's own variables (specification: SDK environment variables). */
function tracesWanted(environment: Environment): boolean {
  if (environment["OTEL_SDK_DISABLED"] === "true") return false;
  if (environment["OTEL_TRACES_EXPORTER"] === "none") return false;
  const names = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
  return names.some((name) => (environment[name] ?? "") !== "");
}

/** LOGGER_* → settings; config.ts has checked the words and numbers. */
export function payloadLogSettings(environment: Environment): PayloadLogSettings {
  const given = (name: string): string | undefined => environment[name] || undefined;
  const service = given("INFERENCE_SERVICE_NAME") ?? given("K_SERVICE");
  const extensions = {
    inferenceservicename: service,
    namespace: given("POD_NAMESPACE"),
    component: given("COMPONENT") ?? "predictor",
    annotations: given("LOGGER_METADATA_ANNOTATIONS"),
  };
  return {
    mode: (given("LOGGER_MODE") ?? "all") as PayloadLogMode,
    sample: Number(given("LOGGER_SAMPLE") ?? 1),
    metadataHeaders: (given("LOGGER_METADATA_HEADERS") ?? "")
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
    source: given("LOGGER_SOURCE") ?? `urn:pilotlight:${service ?? "predictor"}`,
    extensions: Object.fromEntries(
      Object.entries(extensions).flatMap(([key, value]) =>
        value === undefined ? [] : [[key, encodeExtension(value)]],
      ),
    ),
  };
}

/** CloudEvents' HTTP binding: what is not visible ASCII, a quote or a percent sign is encoded. */
function encodeExtension(value: string): string {
  return /^[\x21\x23\x24\x26-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}

/** Without a user name or password that somebody put there. */
function shown(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch (error) {
    return messageOf(error);
  }
}
