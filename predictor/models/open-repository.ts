/** Puts a repository of many models together: storage, memory, metrics, log, and the polling. */
import type { Config } from "../config.ts";
import type { HttpServer } from "../http/server.ts";
import { hostEnvironment } from "../executor/environment.ts";
import { cpuShare, usableCpus } from "../ops/cpus.ts";
import type { Log } from "../ops/log.ts";
import { usableMemoryBytes } from "../ops/memory.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { RepositoryMetrics } from "../ops/repository-metrics.ts";
import { readIndex, resolveModel } from "../repository/repository.ts";
import type { ResolveOptions } from "../repository/repository.ts";
import { ServedVersion } from "../served-model.ts";
import type { VersionOptions } from "../served-model.ts";
import { hasTaskFiles } from "../tasks/has-task-files.ts";
import type { IndexedModel } from "../repository/model-index.ts";
import type { ModelVersion } from "../repository/read-folder.ts";
import { DiskBudget } from "./disk-budget.ts";
import type { Equipping } from "./generation.ts";
import { ModelRepository } from "./model-repository.ts";
import { poll } from "./poll.ts";
import { Residency } from "./residency.ts";

export type OpenOptions = {
  readonly config: Config;
  readonly versions: VersionOptions;
  readonly metrics: () => Metrics;
  readonly log: () => Log | undefined;
  readonly server: HttpServer;
  readonly storage: ResolveOptions;
  readonly signal: AbortSignal;
};

/** Of the container's memory, what executors may use; the rest is for requests and the kernel. */
const memoryShare = 0.7;
/** An executor that holds less than this isn't worth its own 100 MB. */
const executorBytesMin = 384 * 1024 * 1024;
const executorsMax = 4;
/** A load waits so long for models in use, then its requests are told to come back. */
const admissionMs = 10_000;

/** Reads the index, loads what is to be there at the start, and begins to poll. */
export async function openRepository(options: OpenOptions): Promise<ModelRepository> {
  const { config, storage, signal, log, server } = options;
  const { environment, repository: given, storagePollMs } = config;
  if (given === undefined) throw new Error("no repository is configured");
  const budgetBytes = given.memoryBudgetBytes ?? Math.floor(usableMemoryBytes() * memoryShare);
  const metrics: RepositoryMetrics = options.metrics().forRepository({
    budgetBytes,
    resident: () => residency.resident,
    usedBytes: () => residency.usedBytes,
  });
  const residency = createResidency(options, { executors: given.executors, budgetBytes, metrics });
  process.on("exit", () => residency.kill());
  const fetch = async ({ uri, name }: IndexedModel): Promise<readonly ModelVersion[]> => {
    const options = { ...storage, storageUri: uri, modelName: name };
    return (await resolveModel(options, environment, signal)).versions;
  };
  const isLoading = (uri: string): boolean => repository?.isLoading(uri) ?? true;
  const disk =
    given.diskBudgetBytes === undefined
      ? undefined
      : new DiskBudget({
          modelDir: config.modelDir,
          budgetBytes: given.diskBudgetBytes,
          fetch,
          isLoading,
        });
  let repository: ModelRepository | undefined;
  const opened = await ModelRepository.open(
    {
      index: async () => readIndex(storage, environment, signal),
      fetch: async (model) => (disk === undefined ? fetch(model) : disk.fetch(model)),
      residency,
      clock: options.versions.clock,
      waitMs: config.requestTimeoutMs,
      makeVersion: ({ model, version, loaded, executor }) => {
        const metrics = options.metrics().forModel(model, version);
        return new ServedVersion({ version, loaded, executor, metrics }, options.versions);
      },
      equip: async (version, path, about) =>
        equip(version, path, { ...options.versions, ...about }),
      observer: {
        served: (model) => {
          server.forget(model.name);
          server.serve(model);
          const { version, loaded } = model.default;
          log()?.info({ model: model.name, version, notes: loaded.notes }, "model loaded");
        },
        withdrawn: (name) => server.forget(name),
        failed: (model, reason) => {
          metrics.failed();
          log()?.error({ model, reason }, "model can't be loaded");
        },
      },
    },
    given.preload,
    (own) => (repository = own),
  );
  if (storagePollMs !== undefined) {
    const failed = (reason: string): void =>
      log()?.warn({ reason }, "the repository can't be read, serving what is known");
    poll(storagePollMs, async () => opened.refresh(), { signal, failed });
  }
  return opened;
}

/** A task or handler of one model. A task by name is meant for those that have what tasks need. */
async function equip(
  version: ServedVersion,
  path: string,
  options: VersionOptions & Equipping,
): Promise<void> {
  const task = hasTaskFiles(path, "auto") ? options.task : undefined;
  await version.equip(path, { ...options, task, modelName: options.model });
}

type Sizes = {
  readonly executors: number | undefined;
  readonly budgetBytes: number;
  readonly metrics: RepositoryMetrics;
};

function createResidency(
  { config, versions, log }: OpenOptions,
  { executors, budgetBytes, metrics }: Sizes,
): Residency {
  const fitting = Math.max(1, Math.floor(budgetBytes / executorBytesMin));
  const hostsMax = executors ?? Math.min(usableCpus(), executorsMax, fitting);
  const { entry, loadTimeoutMs, clock } = versions;
  return new Residency({
    entry: { ...entry, environment: hostEnvironment(config.environment) },
    budgetBytes,
    hostsMax,
    ...cpuShare(usableCpus(), {
      executors: hostsMax,
      threads: config.intraOpNumThreads,
      spinning: config.intraOpSpinning,
    }),
    loadTimeoutMs,
    admissionMs,
    clock,
    observer: {
      found: metrics.found,
      loaded: (model, ms) => {
        metrics.loaded(ms);
        log()?.debug({ model, ms: Math.round(ms) }, "model in memory");
      },
      evicted: (model) => {
        metrics.evicted();
        log()?.debug({ model }, "model left memory");
      },
      hostEnded: (reason, models) => {
        metrics.executorEnded();
        log()?.warn({ reason, models }, "executor ended");
      },
    },
  });
}
