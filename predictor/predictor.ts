/** One predictor's life: start, serve, drain, and the exit code that says whose fault it was. */
import { systemClock } from "./batch/port.ts";
import { ConfigError, parseConfig } from "./config.ts";
import type { Config, Environment } from "./config.ts";
import { messageOf } from "./errors.ts";
import { end, exitCodeOf, exitCodes } from "./exit.ts";
import type { ChildEntry } from "./executor/process.ts";
import type { Executors } from "./executor/executors.ts";
import { ThreadedBodies } from "./bodies/bodies.ts";
import type { InferenceOptions, OnFault } from "./http/inference.ts";
import { createCors } from "./http/cors.ts";
import type { GrpcServer } from "./grpc/server.ts";
import { HttpServer } from "./http/server.ts";
import { Service } from "./http/service.ts";
import { OneModel } from "./models/one-model.ts";
import { openModel } from "./models/open-model.ts";
import type { Observation } from "./observe/observation.ts";
import { givenRequestId } from "./observe/request-id.ts";
import type { Watcher } from "./observe/watch.ts";
import { executorEnvironment } from "./executor/environment.ts";
import { cpuShare, usableCpus } from "./ops/cpus.ts";
import type { Log } from "./ops/log.ts";
import type { Metrics, ModelMetrics } from "./ops/metrics.ts";
import { ServedVersion } from "./served-model.ts";
import type { ServedModel, VersionOptions } from "./served-model.ts";
import { version } from "./version.ts";

export type Invocation = {
  readonly args: readonly string[];
  readonly environment: Environment;
  /** How to start this program again as an executor. */
  readonly entry: ChildEntry;
};

/** Loading ten gigabytes from a slow disk, with room. */
const loadTimeoutMs = 600_000;
/** Waiting tensors may take as much memory as so many bodies of full size. */
const queuedBodiesMax = 4;

/** Runs until a signal drains it or it gives up; ends the process either way. */
export async function runPredictor(invocation: Invocation): Promise<void> {
  let config;
  try {
    config = parseConfig(invocation.args, invocation.environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`pilotlight predictor: ${error.message.replaceAll("; ", "\n  ")}\n`);
    const terminationLog = invocation.environment["TERMINATION_LOG"] || "/dev/termination-log";
    end({ terminationLog }, exitCodes.usage, error.message);
  }
  const checked = config;
  // Nothing is known of the state after a mistake of ours: the next process has a good one.
  process.on("uncaughtException", (error) => {
    process.stderr.write(`${error.stack ?? ""}\n`);
    end(checked, exitCodes.software, error.message);
  });
  try {
    await new Predictor(config, invocation.entry).run();
  } catch (error) {
    end(config, exitCodeOf(error), messageOf(error));
  }
}

class Predictor {
  readonly #config: Config;
  readonly #service = new Service();
  readonly #server: HttpServer;
  readonly #inference: InferenceOptions & { watch: Watcher | undefined };
  readonly #versions: VersionOptions;
  /** Absent when the storage URI names many models. */
  readonly #executors: Executors | undefined;
  readonly #loading = new AbortController();
  /** What may have work left after the last answer. */
  readonly #handlers = new Set<{ drain(limitMs: number): Promise<number> }>();
  #grpc: GrpcServer | undefined;
  #log: Log | undefined;
  #metrics: Metrics | undefined;
  #observation: Observation | undefined;
  #modelMetrics: ModelMetrics | undefined;
  /** Metrics are there later than executors, which start first of all. */
  readonly #told: Pick<ModelMetrics, "restarted" | "placed"> = {
    restarted: () => this.#modelMetrics?.restarted(),
    placed: (provider) => this.#modelMetrics?.placed(provider),
  };

  constructor(config: Config, entry: ChildEntry) {
    this.#config = config;
    this.#inference = {
      events: config.events,
      bodyBytesMax: config.bodyBytesMax,
      onFault: this.#onFault,
      bodies: new ThreadedBodies(queuedBodiesMax * config.bodyBytesMax),
      watch: undefined,
    };
    this.#versions = {
      entry: {
        ...entry,
        args: [...entry.args, config.executionProviders.join(",")],
        environment: executorEnvironment(config.environment),
      },
      executors: config.executors,
      ...cpuShare(usableCpus(), {
        executors: config.executors,
        threads: config.intraOpNumThreads,
        spinning: config.intraOpSpinning,
      }),
      loadTimeoutMs,
      clock: systemClock,
      onRestart: (reason) => this.#log?.warn({ reason }, "executor replaced"),
      task: config.modelTask,
      handler: {
        path: config.handler,
        allowed: config.handlersAllowed,
        timeoutMs: config.handlerTimeoutMs,
        opened: (host) => this.#handlers.add(host),
        closed: (host) => this.#handlers.delete(host),
        log: ({ fault, message }) =>
          this.#log?.[fault ? "warn" : "info"]({ says: message }, "handler"),
      },
      limits: {
        batchSizeMax: config.batchSizeMax,
        batchLatencyMs: config.batchLatencyMs,
        concurrencyMax: config.containerConcurrency,
        queueDepthMax: config.queueDepthMax,
        queueBytesMax: queuedBodiesMax * config.bodyBytesMax,
        timeoutMs: config.requestTimeoutMs,
      },
    };
    // First of all: the child takes longest; it loads onnxruntime while the rest happens here.
    if (config.repository === undefined) {
      this.#executors = ServedVersion.prepare(this.#versions, this.#told);
    }
    this.#server = new HttpServer({
      service: this.#service,
      requestTimeoutMs: config.requestTimeoutMs,
      answered: (status) => this.#metrics?.answered(status),
      inference: this.#inference,
      limits: { connectionsMax: config.connectionsMax },
      cors: createCors(config.environment["CORS_ORIGINS"]),
    });
  }

  readonly #onFault: OnFault = (error, request) => {
    const requestId = request === undefined ? undefined : givenRequestId(request.headers);
    const fields = { requestId, reason: error.message, cause: messageOf(error.cause) };
    this.#log?.error(fields, "request failed");
  };

  async run(): Promise<void> {
    const { config: given, startedAt } = { config: this.#config, startedAt: performance.now() };
    process.on("exit", () => this.#executors?.kill());
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => this.#stop(signal));
    }
    if (given.parentLiveness === "stdin") this.#watchStdin();
    const grpc = this.#listenGrpc();
    const port = await this.#server.listen(given.port, given.host);
    const serving =
      this.#executors === undefined
        ? this.#serveRepository(port)
        : this.#serveOne(this.#executors, { port, startedAt });
    const [grpcPort] = await Promise.all([grpc, serving]);
    if (grpcPort !== undefined) {
      this.#log?.info({ host: given.host, grpcPort }, "gRPC listening");
    }
  }

  /** gRPC where it is asked for: on a port of its own, or beside HTTP on the only one. */
  async #listenGrpc(): Promise<number | undefined> {
    const { grpcPort, grpcShared, host, admin } = this.#config;
    if (grpcPort === undefined && !grpcShared) return undefined;
    const { promise, resolve } = Promise.withResolvers<GrpcServer>();
    if (grpcShared) this.#server.share((socket) => void promise.then((to) => to.serve(socket)));
    const { openGrpc } = await import("./grpc/open.ts");
    this.#grpc = openGrpc({
      ...this.#config,
      service: this.#service,
      version,
      onFault: this.#onFault,
      bodies: this.#inference.bodies,
      watch: () => this.#inference.watch,
      token: admin?.token,
    });
    resolve(this.#grpc);
    return grpcPort === undefined ? undefined : this.#grpc.listen(grpcPort, host);
  }

  async #serveOne(
    executors: Executors,
    { port, startedAt }: { readonly port: number; readonly startedAt: number },
  ): Promise<void> {
    const [, model] = await Promise.all([this.#addRoutes(port), this.#resolve()]);
    const { storagePollMs: intervalMs } = this.#config;
    const seen = intervalMs === undefined ? "" : await this.#stateOf(model);
    const served = await this.#open(executors, model);
    this.#server.serve(served);
    this.#service.serve(new OneModel(served));
    const { loadMs, batchable, notes, provider } = served.default.loaded;
    const [wanted] = this.#config.executionProviders;
    if (provider !== wanted) {
      this.#log?.warn({ model: served.name, wanted, provider, notes }, "accelerator not in use");
    }
    this.#log?.info(
      {
        model: served.name,
        version: served.default.version,
        port,
        batchable,
        provider,
        notes,
        loadMs: Math.round(loadMs),
        // performance.now() counts from the start of the process.
        sinceStartMs: Math.round(performance.now()),
        threads: this.#versions.threads,
        importMs: Math.round(startedAt),
      },
      "serving",
    );
    if (intervalMs !== undefined) await this.#watch({ seen, served }, intervalMs);
  }

  async #stateOf(model: Resolved): Promise<string> {
    const { stateOf } = await import("./models/watch-model.ts");
    return stateOf(model);
  }

  async #watch(first: { seen: string; served: ServedModel }, intervalMs: number) {
    const { watchModel } = await import("./models/watch-model.ts");
    const { forgetOlder, resolveModel } = await import("./repository/repository.ts");
    const { environment } = this.#config;
    const { signal } = this.#loading;
    const storage = { ...this.#storageOptions(), keepOlder: true };
    watchModel(first, {
      intervalMs,
      signal,
      resolve: async () => resolveModel(storage, environment, signal),
      open: async (model) => {
        return this.#open(ServedVersion.prepare(this.#versions, this.#told), model);
      },
      swap: (served) => {
        this.#server.forget(served.name);
        this.#server.serve(served);
        this.#service.serve(new OneModel(served));
        this.#log?.info({ model: served.name, version: served.default.version }, "model replaced");
      },
      forgetOlder: async () => forgetOlder(storage),
      failed: (reason) => this.#log?.error({ reason }, "the model can't be replaced"),
    });
  }

  async #serveRepository(port: number): Promise<void> {
    const [{ openRepository }] = await Promise.all([
      import("./models/open-repository.ts"),
      this.#addRoutes(port),
    ]);
    const repository = await openRepository({
      config: this.#config,
      versions: this.#versions,
      metrics: this.#allMetrics,
      log: () => this.#log,
      server: this.#server,
      storage: this.#storageOptions(),
      signal: this.#loading.signal,
    });
    this.#service.serve(repository);
    const models = repository.list().length;
    this.#log?.info({ models, port, sinceStartMs: Math.round(performance.now()) }, "serving");
  }

  async #addRoutes(port: number): Promise<void> {
    const [{ createLog }, { createMetrics }, { createApp }, { createObservation }] =
      await Promise.all([
        import("./ops/log.ts"),
        import("./ops/metrics.ts"),
        import("./http/app.ts"),
        import("./observe/observation.ts"),
      ]);
    const { admin, environment, host, logLevel } = this.#config;
    const [log, metrics] = [createLog(logLevel), createMetrics()];
    if (this.#config.executionProviders[0] !== "cpu") {
      const { addDeviceMetrics } = await import("./ops/device-metrics.ts");
      addDeviceMetrics(metrics.registry);
    }
    this.#log = log;
    this.#metrics = metrics;
    this.#observation = await createObservation({ environment, log, metrics, version });
    this.#inference.watch = this.#observation.watcher;
    const parts = { service: this.#service, metrics, version };
    const options = { ...parts, ...this.#inference, administered: admin !== undefined };
    this.#server.use(createApp(options));
    if (admin !== undefined) {
      const { listenAdmin } = await import("./http/admin.ts");
      const adminPort = await listenAdmin({ ...options, ...admin, host });
      log.info({ host, adminPort }, "administration listening");
    }
    log.info({ host, port }, "listening");
  }

  async #resolve(): Promise<Resolved> {
    const { resolveModel } = await import("./repository/repository.ts");
    return resolveModel(this.#storageOptions(), this.#config.environment, this.#loading.signal);
  }

  #storageOptions(): ResolveOptions {
    const { storageUri, modelDir, modelName, modelBytesMax, versionPolicy } = this.#config;
    return {
      versionPolicy,
      storageUri,
      modelDir,
      modelName,
      modelBytesMax,
      onRetry: (notice) => this.#log?.warn({ ...notice }, "storage failed, trying again"),
      onStale: (cause) =>
        this.#log?.warn({ cause: cause.message }, "storage failed, serving the earlier copy"),
    };
  }

  readonly #allMetrics = (): Metrics => {
    if (this.#metrics === undefined) throw new Error("metrics are not loaded");
    return this.#metrics;
  };

  async #open(executors: Executors, model: Resolved): Promise<ServedModel> {
    const { name, versions } = model;
    const newest = versions.at(-1);
    if (newest === undefined) throw new Error("the repository gave a model without a version");
    const metricsOf = (id: string): ModelMetrics => this.#allMetrics().forModel(name, id);
    const failed = (id: string, reason: string): void =>
      this.#log?.error({ model: name, version: id, reason }, "version can't be loaded");
    this.#modelMetrics = metricsOf(newest.version);
    const [opened, digest] = await Promise.all([
      openModel(executors, { name, versions, newest, metricsOf, failed }, this.#versions),
      model.digest(),
    ]);
    if (digest !== undefined) this.#allMetrics().contents(name, digest);
    return opened;
  }

  /** The first signal drains, the second ends at once. */
  #stop(signal: NodeJS.Signals): void {
    if (this.#service.phase === "draining") process.exit(exitCodes.software);
    this.#log?.info({ signal }, "draining");
    this.#service.phase = "draining";
    void this.#drain();
  }

  /** What handlers still do after the last answer may take what is left of the time. */
  async #drainHooks(limitMs: number): Promise<void> {
    const handlers = [...this.#handlers];
    const drained = await Promise.all(handlers.map(async (each) => each.drain(limitMs)));
    const left = drained.reduce((sum, each) => sum + each, 0);
    if (left > 0) this.#log?.warn({ calls: left }, "drain timeout, afterResponse cut off");
  }

  async #drain(): Promise<void> {
    const endAt = performance.now() + this.#config.drainTimeoutMs;
    const [cut] = await Promise.all([
      this.#server.drain(this.#config.drainTimeoutMs),
      this.#grpc?.drain(this.#config.drainTimeoutMs),
    ]);
    this.#loading.abort();
    await this.#drainHooks(Math.max(0, endAt - performance.now()));
    await this.#service.close();
    await this.#observation?.close();
    if (cut > 0) this.#log?.warn({ requests: cut }, "drain timeout, requests cut off");
    this.#log?.info({}, "drained");
    process.exit(0);
  }

  /** Whoever started this process holds the other end: without them, nobody is left to answer. */
  #watchStdin(): void {
    process.stdin.resume();
    for (const event of ["end", "close", "error"]) process.stdin.on(event, () => process.exit(0));
  }
}

type ResolveOptions = import("./repository/repository.ts").ResolveOptions;
type Resolved = Awaited<ReturnType<typeof import("./repository/repository.ts").resolveModel>>;
