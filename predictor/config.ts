/**
 * Environment and flags of the predictor, as docs/runtime-contract.md lists them. A flag wins over
 * the environment; every mistake is reported, not only the first.
 */
import { parseArgs } from "node:util";
import { parseVersionPolicy } from "./repository/version-policy.ts";
import type { VersionPolicy } from "./repository/version-policy.ts";
import { StorageConfigError, withStorageConfig } from "./storage/storage-config.ts";
import { taskNames } from "./tasks/names.ts";

export type Config = {
  readonly port: number;
  readonly host: string;
  readonly modelName?: string;
  readonly storageUri?: string;
  readonly modelDir: string;
  /** Infinity where the contract says 0. */
  readonly containerConcurrency: number;
  readonly queueDepthMax: number;
  readonly batchSizeMax: number;
  /** How long a request may wait for company while the executor is idle. */
  readonly batchLatencyMs: number;
  readonly requestTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly bodyBytesMax: number;
  /** At a time, of each port. */
  readonly connectionsMax: number;
  /** Processes that hold the model. */
  readonly executors: number;
  /** Of each executor; without it, its share of the CPUs of the cgroup. */
  readonly intraOpNumThreads?: number;
  /** Without it, where an executor has several threads. */
  readonly intraOpSpinning?: boolean;
  /** onnxruntime's, the wanted one first. */
  readonly executionProviders: readonly string[];
  readonly modelBytesMax: number;
  /** A task's name, `none`, or `auto` for what config.json beside the model suggests. */
  readonly modelTask: string;
  /** A handler of the image; one beside the model runs only where handlersAllowed. */
  readonly handler?: string;
  readonly handlersAllowed: boolean;
  readonly handlerTimeoutMs: number;
  /** The storage URI names many models: docs/models.md. */
  readonly repository?: RepositoryConfig;
  /** How often the source is asked whether the model changed; never without it. */
  readonly storagePollMs?: number;
  readonly logLevel: string;
  readonly terminationLog: string;
  readonly parentLiveness?: string;
  /** The administration's port; without it there is none. */
  readonly admin?: { readonly port: number; readonly token: string };
  readonly versionPolicy: VersionPolicy;
  /** Attributes of events that answer, instead of KServe's words. */
  readonly events: { readonly source?: string; readonly type?: string };
  /** A port of its own for gRPC; without it there is none. */
  readonly grpcPort?: number;
  /** Whether PORT serves gRPC beside HTTP. */
  readonly grpcShared: boolean;
  /** For storage: the environment under the flags. */
  readonly environment: Environment;
};

export type RepositoryConfig = {
  /** Names of models to load at the start; "*" for all. */
  readonly preload: readonly string[];
  /** Bytes for all executor processes together; without it, a share of the container's memory. */
  readonly memoryBudgetBytes?: number;
  /** Bytes for all copies of models together; without it, no limit but the disk's. */
  readonly diskBudgetBytes?: number;
  /** Processes that hold models; without it, by CPUs and memory. */
  readonly executors?: number;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** Environment and flags are wrong; each sentence is one mistake. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(mistakes: readonly string[]) {
    super(mistakes.join("; "));
  }
}

type Rule =
  | { readonly is: "text" }
  | { readonly is: "word"; readonly of: readonly string[] }
  | { readonly is: "words"; readonly of: readonly string[] }
  | { readonly is: "url" }
  | { readonly is: "whole" | "seconds" | "share"; readonly min: number; readonly max: number };

const text: Rule = { is: "text" };
const whole = (min: number, max = Number.MAX_SAFE_INTEGER): Rule => ({ is: "whole", min, max });
/** Longer timers overflow in Node: 2^31 milliseconds. */
const seconds = (min: number): Rule => ({ is: "seconds", min, max: 2_000_000 });
const share: Rule = { is: "share", min: 0, max: 1 };
const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"];

const allVersions: VersionPolicy = { is: "all" };

const rules: Readonly<Record<string, Rule>> = {
  PORT: whole(0, 65_535),
  HOST: text,
  MODEL_NAME: text,
  STORAGE_URI: text,
  MODEL_DIR: text,
  CONTAINER_CONCURRENCY: whole(0),
  QUEUE_DEPTH_MAX: whole(0),
  BATCH_SIZE_MAX: whole(1),
  BATCH_LATENCY_MS: whole(0, 60_000),
  REQUEST_TIMEOUT_SECONDS: seconds(0.001),
  DRAIN_TIMEOUT_SECONDS: seconds(0),
  BODY_BYTES_MAX: whole(1, 2 ** 31),
  CONNECTIONS_MAX: whole(1),
  EXECUTORS: whole(1, 64),
  INTRA_OP_NUM_THREADS: whole(1, 1024),
  INTRA_OP_SPINNING: { is: "word", of: ["true", "false"] },
  MODEL_BYTES_MAX: whole(1),
  HANDLER: text,
  HANDLERS_ALLOWED: { is: "word", of: ["true", "false"] },
  HANDLER_TIMEOUT_SECONDS: seconds(0.001),
  MODEL_TASK: { is: "word", of: ["auto", "none", ...taskNames] },
  MODEL_REPOSITORY: { is: "word", of: ["true", "false"] },
  MODEL_PRELOAD: text,
  MODEL_MEMORY_BUDGET: whole(1),
  MODEL_DISK_BUDGET: whole(1),
  MODEL_EXECUTORS: whole(1, 64),
  STORAGE_POLL_SECONDS: seconds(0),
  LOG_LEVEL: { is: "word", of: logLevels },
  ACCELERATOR: text,
  EXECUTION_PROVIDERS: { is: "words", of: ["cpu", "cuda", "tensorrt", "webgpu"] },
  LOG_REQUESTS: { is: "word", of: ["true", "false"] },
  LOGGER_URL: { is: "url" },
  LOGGER_MODE: { is: "word", of: ["all", "request", "response"] },
  LOGGER_SAMPLE: share,
  LOGGER_METADATA_HEADERS: text,
  LOGGER_METADATA_ANNOTATIONS: text,
  LOGGER_SOURCE: text,
  CORS_ORIGINS: text,
  TERMINATION_LOG: text,
  ADMIN_PORT: whole(0, 65_535),
  ADMIN_TOKEN: text,
  VERSION_POLICY: text,
  CE_SOURCE: text,
  CE_TYPE: text,
  GRPC_PORT: whole(0, 65_535),
  PROTOCOL: { is: "word", of: ["v1", "v2", "grpc-v2"] },
  PARENT_LIVENESS: { is: "word", of: ["stdin"] },
  AWS_ACCESS_KEY_ID: text,
  AWS_SECRET_ACCESS_KEY: text,
  AWS_SESSION_TOKEN: text,
  AWS_WEB_IDENTITY_TOKEN_FILE: text,
  AWS_ROLE_ARN: text,
  AWS_ROLE_SESSION_NAME: text,
  AWS_ENDPOINT_URL_STS: text,
  AWS_ENDPOINT_URL_S3: text,
  AWS_ENDPOINT_URL: text,
  AWS_REGION: text,
  AWS_DEFAULT_REGION: text,
  AWS_CREDENTIALS_DIR: text,
  S3_ANONYMOUS: { is: "word", of: ["true", "false"] },
};

/** The configuration, frozen. Throws ConfigError with all mistakes. */
export function parseConfig(args: readonly string[], given_: Environment): Config {
  const mistakes: string[] = [];
  const environment = fromStorageConfig(given_, mistakes);
  const flags = parseFlags(args, mistakes);
  const given = (name: string): string | undefined =>
    flags.get(name) ?? (environment[name] === "" ? undefined : environment[name]);
  for (const [name, rule] of Object.entries(rules)) {
    const value = given(name);
    const wrong = value === undefined ? undefined : mistakeOf(value, rule);
    if (wrong !== undefined) mistakes.push(`${name} is ${JSON.stringify(value)}: ${wrong}`);
  }
  mistakes.push(...contradictions(given));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  const number = (name: string, fallback: number): number => Number(given(name) ?? fallback);
  const timeoutSeconds = number("REQUEST_TIMEOUT_SECONDS", 300);
  const optional = {
    modelName: given("MODEL_NAME"),
    storageUri: given("STORAGE_URI"),
    handler: given("HANDLER"),
    intraOpSpinning: given("INTRA_OP_SPINNING") && given("INTRA_OP_SPINNING") === "true",
    intraOpNumThreads: given("INTRA_OP_NUM_THREADS") && number("INTRA_OP_NUM_THREADS", 1),
    parentLiveness: given("PARENT_LIVENESS"),
    admin: adminOf(given),
    grpcPort: given("GRPC_PORT") === undefined ? undefined : number("GRPC_PORT", 0),
    storagePollMs: number("STORAGE_POLL_SECONDS", 0) * 1000 || undefined,
    repository: given("MODEL_REPOSITORY") === "true" ? repositoryConfig(given) : undefined,
  };
  return Object.freeze({
    ...(withoutUndefined(optional) as Partial<Config>),
    port: number("PORT", 8080),
    host: given("HOST") ?? "0.0.0.0",
    modelDir: given("MODEL_DIR") ?? "/mnt/models",
    containerConcurrency: number("CONTAINER_CONCURRENCY", 0) || Number.POSITIVE_INFINITY,
    queueDepthMax: number("QUEUE_DEPTH_MAX", 1000),
    batchSizeMax: number("BATCH_SIZE_MAX", 32),
    batchLatencyMs: number("BATCH_LATENCY_MS", 0),
    executors: number("EXECUTORS", 1),
    requestTimeoutMs: timeoutSeconds * 1000,
    drainTimeoutMs: number("DRAIN_TIMEOUT_SECONDS", timeoutSeconds) * 1000,
    bodyBytesMax: number("BODY_BYTES_MAX", 67_108_864),
    connectionsMax: number("CONNECTIONS_MAX", 4096),
    modelBytesMax: number("MODEL_BYTES_MAX", 10_737_418_240),
    versionPolicy: parseVersionPolicy(given("VERSION_POLICY") ?? "") ?? allVersions,
    events: withoutUndefined({ source: given("CE_SOURCE"), type: given("CE_TYPE") }),
    grpcShared: given("PROTOCOL") === "grpc-v2",
    modelTask: given("MODEL_TASK") ?? "auto",
    handlersAllowed: given("HANDLERS_ALLOWED") === "true",
    handlerTimeoutMs: number("HANDLER_TIMEOUT_SECONDS", 60) * 1000,
    logLevel: given("LOG_LEVEL") ?? "info",
    terminationLog: given("TERMINATION_LOG") ?? "/dev/termination-log",
    executionProviders: executionProviders(given),
    environment: { ...environment, ...Object.fromEntries(flags) },
  });
}

/** With what KServe's STORAGE_CONFIG says, in our words. */
function fromStorageConfig(environment: Environment, mistakes: string[]): Environment {
  try {
    return withStorageConfig(environment);
  } catch (error) {
    if (!(error instanceof StorageConfigError)) throw error;
    mistakes.push(error.message);
    return environment;
  }
}

function repositoryConfig(given: (name: string) => string | undefined): RepositoryConfig {
  const number = (name: string): number | undefined =>
    given(name) === undefined ? undefined : Number(given(name));
  const names = (given("MODEL_PRELOAD") ?? "").split(",").map((name) => name.trim());
  const limits = {
    memoryBudgetBytes: number("MODEL_MEMORY_BUDGET"),
    diskBudgetBytes: number("MODEL_DISK_BUDGET"),
    executors: number("MODEL_EXECUTORS"),
  };
  return { preload: names.filter((name) => name !== ""), ...withoutUndefined(limits) };
}

/** As told, or what the accelerator asks for; others than NVIDIA's have servers of their own. */
function executionProviders(given: (name: string) => string | undefined): readonly string[] {
  const wanted =
    given("EXECUTION_PROVIDERS") ?? (given("ACCELERATOR") === "nvidia" ? "cuda" : "cpu");
  return wanted.split(",").map((name) => name.trim());
}

function withoutUndefined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Flags by their environment names: `--model-name` and KServe's `--model_name` are MODEL_NAME. */
function parseFlags(args: readonly string[], mistakes: string[]): Map<string, string> {
  const options = Object.fromEntries(
    Object.keys(rules).flatMap((name) => {
      const underscored = name.toLowerCase();
      const option = { type: "string" } as const;
      return [
        [underscored, option],
        [underscored.replaceAll("_", "-"), option],
      ];
    }),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const flags = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === "positional")
      mistakes.push(`argument ${JSON.stringify(token.value)}: unknown`);
    if (token.kind !== "option") continue;
    const name = token.name.replaceAll("-", "_").toUpperCase();
    if (!Object.hasOwn(options, token.name)) mistakes.push(`flag ${token.rawName}: unknown`);
    else if (token.value === undefined) mistakes.push(`flag ${token.rawName}: needs a value`);
    else flags.set(name, token.value);
  }
  return flags;
}

function mistakeOf(value: string, rule: Rule): string | undefined {
  if (rule.is === "text") return undefined;
  if (rule.is === "words") {
    const fits = value.split(",").every((word) => rule.of.includes(word.trim()));
    return fits ? undefined : `must be a list of ${rule.of.join(", ")}`;
  }
  if (rule.is === "word") {
    return rule.of.includes(value) ? undefined : `must be one of ${rule.of.join(", ")}`;
  }
  if (rule.is === "url") {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    const fits = parsed !== undefined && ["http:", "https:"].includes(parsed.protocol);
    return fits ? undefined : "must be an http:// or https:// URL";
  }
  const pattern = rule.is === "whole" ? /^\d+$/ : /^\d+(\.\d+)?$/;
  const fits = pattern.test(value) && Number(value) >= rule.min && Number(value) <= rule.max;
  const kind = { whole: "a whole number", seconds: "a number of seconds", share: "a share" }[
    rule.is
  ];
  return fits ? undefined : `must be ${kind} from ${rule.min} to ${rule.max}`;
}

function adminOf(given: (name: string) => string | undefined): Config["admin"] {
  const [port, token] = [given("ADMIN_PORT"), given("ADMIN_TOKEN")];
  return port === undefined || token === undefined ? undefined : { port: Number(port), token };
}

function contradictions(given: (name: string) => string | undefined): string[] {
  const found: string[] = [];
  if (
    (given("AWS_ACCESS_KEY_ID") === undefined) !==
    (given("AWS_SECRET_ACCESS_KEY") === undefined)
  ) {
    found.push("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set both or neither");
  }
  if (given("S3_ANONYMOUS") === "true" && given("AWS_ACCESS_KEY_ID") !== undefined) {
    found.push("S3_ANONYMOUS is true, but AWS_ACCESS_KEY_ID is set: remove one of them");
  }
  const many = given("MODEL_REPOSITORY") === "true";
  for (const name of ["MODEL_PRELOAD", "MODEL_MEMORY_BUDGET", "MODEL_DISK_BUDGET"]) {
    if (!many && given(name) !== undefined) {
      found.push(`${name} is for a repository of many models: set MODEL_REPOSITORY=true as well`);
    }
  }
  if ((given("ADMIN_PORT") === undefined) !== (given("ADMIN_TOKEN") === undefined)) {
    found.push("ADMIN_PORT and ADMIN_TOKEN: set both or neither");
  }
  if (/\s/.test(given("ADMIN_TOKEN") ?? "")) {
    found.push("ADMIN_TOKEN has a space or a line break: a header can't carry it");
  }
  const policy = given("VERSION_POLICY");
  if (policy !== undefined && parseVersionPolicy(policy) === undefined) {
    found.push(
      `VERSION_POLICY is ${JSON.stringify(policy)}: must be all, latest:N or specific:1,2`,
    );
  }
  if (/[/\s]/.test(given("MODEL_NAME") ?? "")) {
    found.push("MODEL_NAME has a slash or a space: it is one segment of a URL");
  }
  return found;
}
