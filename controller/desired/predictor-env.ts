/** What of a component's spec becomes environment of the standard predictor (runtime contract). */
import type { ModelSpec, PredictorSpec } from "../api/inferenceservice.gen.ts";
import type { ObjectMeta } from "../cluster.ts";
import { parseQuantity } from "./quantity.ts";
import type { Warning } from "./warning.ts";

type Env = Readonly<Record<string, string>>;

/** `metadata` is the InferenceService's: its annotations may be wanted in the log. */
export function predictorEnvironment(predictor: PredictorSpec, metadata: ObjectMeta): Env {
  const { containerConcurrency, timeout } = predictor;
  return {
    ...(containerConcurrency === undefined
      ? {}
      : { CONTAINER_CONCURRENCY: String(containerConcurrency) }),
    ...(timeout === undefined ? {} : { REQUEST_TIMEOUT_SECONDS: String(timeout) }),
    ...modelEnvironment(predictor, metadata),
  };
}

/** The same without limits of requests, which a program on one machine sets itself. */
export function modelEnvironment(predictor: PredictorSpec, metadata: ObjectMeta): Env {
  return {
    ...(predictor.model?.task === undefined ? {} : { MODEL_TASK: predictor.model.task }),
    ...repositoryEnvironment(predictor.model?.repository),
    ...batcherEnvironment(predictor.batcher),
    ...loggerEnvironment(predictor.logger, metadata),
  };
}

function repositoryEnvironment(repository: NonNullable<PredictorSpec["model"]>["repository"]): Env {
  if (repository === undefined) {
    return {};
  }
  const { preload = [], memoryBudget, diskBudget, pollSeconds } = repository;
  return {
    MODEL_REPOSITORY: "true",
    ...(preload.length === 0 ? {} : { MODEL_PRELOAD: preload.join(",") }),
    ...(memoryBudget === undefined ? {} : { MODEL_MEMORY_BUDGET: inBytes(memoryBudget) }),
    ...(diskBudget === undefined ? {} : { MODEL_DISK_BUDGET: inBytes(diskBudget) }),
    ...(pollSeconds === undefined ? {} : { STORAGE_POLL_SECONDS: String(pollSeconds) }),
  };
}

/** The CRD lets nothing else through than quantities. */
function inBytes(quantity: string): string {
  return String(Math.floor(parseQuantity(quantity) ?? 0));
}

function batcherEnvironment(batcher: PredictorSpec["batcher"] = {}): Env {
  const { maxBatchSize, maxLatency } = batcher;
  return {
    ...(maxBatchSize === undefined ? {} : { BATCH_SIZE_MAX: String(maxBatchSize) }),
    ...(maxLatency === undefined ? {} : { BATCH_LATENCY_MS: String(maxLatency) }),
  };
}

/** KServe sends to an address of its own configuration then; here is none, and nothing is sent. */
export function idleLogger(
  { logger }: PredictorSpec,
  { env }: Pick<ModelSpec, "env">,
): readonly Warning[] {
  const named = env?.some(({ name }) => name === "LOGGER_URL") ?? false;
  return logger === undefined || logger.url !== undefined || named
    ? []
    : [
        {
          reason: "LoggerWithoutUrl",
          message:
            "spec.predictor.logger has no url, so no payload is logged; " +
            "set spec.predictor.logger.url to a receiver of CloudEvents, or remove logger",
        },
      ];
}

function loggerEnvironment(logger: PredictorSpec["logger"], { annotations = {} }: ObjectMeta): Env {
  if (logger?.url === undefined) {
    return {};
  }
  const { url, mode, sample, metadataHeaders = [], metadataAnnotations = [] } = logger;
  const told = metadataAnnotations.flatMap((key) =>
    annotations[key] === undefined ? [] : [[key, annotations[key]] as const],
  );
  return {
    LOGGER_URL: url,
    ...(mode === undefined ? {} : { LOGGER_MODE: mode }),
    ...(sample === undefined ? {} : { LOGGER_SAMPLE: String(sample / 100) }),
    ...(metadataHeaders.length === 0 ? {} : { LOGGER_METADATA_HEADERS: metadataHeaders.join(",") }),
    ...(told.length === 0
      ? {}
      : { LOGGER_METADATA_ANNOTATIONS: JSON.stringify(Object.fromEntries(told)) }),
  };
}
