/**
 * The controller's configuration: environment → one frozen object, all mistakes reported together.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { parse } from "yaml";
import { THIRD_PARTY_NAMES, type RuntimeUpdates } from "./desired/builtin-runtimes.ts";
import type { PredictorDefaults } from "./desired/container.ts";
import { HOST, type ModelHosts } from "./desired/model-hosts.ts";
import type { Runtime } from "./desired/runtimes.ts";
import { LOG_LEVELS, type LogLevel } from "./ops/log.ts";
import { builtIns } from "./runtimes.ts";

export interface Config {
  /** Address and port of /healthz, /readyz and /metrics. */
  readonly opsHost: string;
  readonly opsPort: number;
  readonly logLevel: LogLevel;
  /** Namespaces to watch; empty means all. */
  readonly watchNamespaces: readonly string[];
  /** Namespace of Knative Serving's ConfigMaps. */
  readonly knativeNamespace: string;
  /** Whether KServe's group (serving.kserve.io) is served as well. */
  readonly kserveCompatibility: boolean;
  readonly workers: number;
  readonly leaderElection: {
    readonly enabled: boolean;
    readonly namespace: string;
    readonly identity: string;
  };
  readonly predictor: PredictorDefaults;
  readonly runtimes: {
    readonly builtIn: readonly Runtime[];
    /** Whether a changed runtime rolls out by itself. */
    readonly updates: RuntimeUpdates;
  };
}

/** What the file that CONFIG_FILE names may hold. */
interface Settings {
  readonly predictor?: Partial<PredictorDefaults>;
  readonly storage?: { readonly allowedHosts?: unknown; readonly deniedHosts?: unknown };
  readonly runtimes?: {
    readonly thirdParty?: boolean;
    readonly images?: Readonly<Record<string, string>>;
    readonly updates?: string;
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads the environment. CONFIG_FILE names a YAML file (the chart mounts one) with
 * `predictor.image`, `predictor.resources`, `storage.allowedHosts`, `storage.deniedHosts`,
 * `runtimes.thirdParty`, `runtimes.images` and `runtimes.updates`.
 * @throws ConfigError with one line per mistake.
 */
export function readConfig(environment: Environment): Config {
  const mistakes: string[] = [];
  const number = (name: string, fallback: number, [low, high]: [number, number]): number => {
    const text = environment[name];
    const value = text === undefined || text === "" ? fallback : Number(text);
    if (!Number.isInteger(value) || value < low || value > high) {
      mistakes.push(`${name} must be a whole number from ${low} to ${high}, not "${text}"`);
    }
    return value;
  };
  const asked = environment["LOG_LEVEL"] || "info";
  const logLevel = LOG_LEVELS.find((level) => level === asked) ?? "info";
  if (logLevel !== asked) {
    mistakes.push(`LOG_LEVEL must be one of ${LOG_LEVELS.join(", ")}, not "${asked}"`);
  }
  const election = environment["LEADER_ELECTION"] || "true";
  if (!["true", "false"].includes(election)) {
    mistakes.push(`LEADER_ELECTION must be true or false, not "${election}"`);
  }
  const compatibility = environment["KSERVE_COMPATIBILITY"] || "false";
  if (!["true", "false"].includes(compatibility)) {
    mistakes.push(`KSERVE_COMPATIBILITY must be true or false, not "${compatibility}"`);
  }
  const settings = readSettings(environment["CONFIG_FILE"], mistakes);
  const predictor = readPredictor(environment, settings, mistakes);
  const config: Config = {
    opsHost: environment["OPS_HOST"] || "0.0.0.0",
    opsPort: number("OPS_PORT", 8081, [0, 65_535]),
    logLevel,
    watchNamespaces: list(environment["WATCH_NAMESPACES"]),
    knativeNamespace: environment["KNATIVE_NAMESPACE"] || "knative-serving",
    kserveCompatibility: compatibility === "true",
    workers: number("WORKERS", 8, [1, 64]),
    leaderElection: {
      enabled: election === "true",
      namespace: environment["POD_NAMESPACE"] || "pilotlight-system",
      identity: environment["POD_NAME"] || `${hostname()}-${process.pid}`,
    },
    predictor,
    runtimes: readRuntimes(settings, predictor.image, mistakes),
  };
  if (mistakes.length > 0) {
    throw new ConfigError(mistakes.join("\n"));
  }
  return Object.freeze(config);
}

function list(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function readPredictor(
  environment: Environment,
  { predictor: settings = {}, storage = {} }: Settings,
  mistakes: string[],
): PredictorDefaults {
  const modelHosts = readModelHosts(storage, mistakes);
  const image = environment["PREDICTOR_IMAGE"] || settings.image;
  if (image === undefined || image === "") {
    mistakes.push(
      "no predictor image: set PREDICTOR_IMAGE, or predictor.image in the file that CONFIG_FILE names",
    );
  }
  return {
    image: image ?? "",
    ...(settings.imagePullPolicy === undefined
      ? {}
      : { imagePullPolicy: settings.imagePullPolicy }),
    resources: settings.resources ?? { requests: { cpu: "100m", memory: "256Mi" } },
    ...(modelHosts === undefined ? {} : { modelHosts }),
  };
}

function readModelHosts(
  { allowedHosts = [], deniedHosts = [] }: NonNullable<Settings["storage"]>,
  mistakes: string[],
): ModelHosts | undefined {
  const hosts = (name: string, value: unknown): readonly string[] => {
    const given: readonly unknown[] = Array.isArray(value) ? value : [value];
    const wrong = given.find((each) => typeof each !== "string" || !HOST.test(each));
    if (wrong !== undefined) {
      mistakes.push(
        `storage.${name} has ${JSON.stringify(wrong)}: write names of hosts without scheme, port and path, or *.example.com for all below one`,
      );
    }
    return given.map(String);
  };
  const allowed = hosts("allowedHosts", allowedHosts);
  const denied = hosts("deniedHosts", deniedHosts);
  return allowed.length + denied.length === 0 ? undefined : { allowed, denied };
}

const UPDATES: readonly RuntimeUpdates[] = ["OnRequest", "Automatic"];

function readRuntimes(
  { runtimes = {} }: Settings,
  predictorImage: string,
  mistakes: string[],
): Config["runtimes"] {
  const { thirdParty = true, images = {}, updates: asked = "OnRequest" } = runtimes;
  const updates = UPDATES.find((word) => word === asked);
  if (updates === undefined) {
    mistakes.push(`runtimes.updates must be ${UPDATES.join(" or ")}, not "${asked}"`);
  }
  for (const name of Object.keys(images)) {
    if (!THIRD_PARTY_NAMES.includes(name)) {
      mistakes.push(`runtimes.images has "${name}"; there are ${THIRD_PARTY_NAMES.join(", ")}`);
    }
  }
  return {
    builtIn: builtIns({ predictorImage, thirdParty, images }),
    updates: updates ?? "OnRequest",
  };
}

function readSettings(file: string | undefined, mistakes: string[]): Settings {
  if (file === undefined || file === "") {
    return {};
  }
  try {
    return (parse(readFileSync(file, "utf8")) as Settings | null) ?? {};
  } catch (error) {
    mistakes.push(`CONFIG_FILE ${file} cannot be read: ${String(error)}`);
    return {};
  }
}
