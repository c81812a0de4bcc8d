/**
 * InferenceService → what is to run on this machine. Pure: whatever it must know of the machine is
 * in Facts.
 */
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type {
  Accelerator,
  EnvVar,
  InferenceService,
  ModelSpec,
} from "../../api/inferenceservice.gen.ts";
import { isOfKServe, KSERVE_MIN_REPLICAS } from "../../api/kserve.ts";
import { ACCELERATORS } from "../../desired/accelerators.ts";
import { isRefusal } from "../../desired/refusal.ts";
import { modelNeeds } from "../../desired/predictor.ts";
import { modelEnvironment } from "../../desired/predictor-env.ts";
import { selectRuntime } from "../../desired/runtimes.ts";
import { isDownloaded } from "../../desired/storage.ts";
import { builtIns } from "../../runtimes.ts";
import { NOMINAL_ROOT } from "../installation.ts";
import type { ScalePolicy } from "./autoscale.ts";
import { nameFaults } from "../metadata-faults.ts";
import type { FieldPath } from "../schema.ts";

/** One service, with every default resolved. */
export interface ServicePlan {
  readonly name: string;
  readonly namespace: string;
  /** Name under /v2/models/. */
  readonly modelName: string;
  readonly storageUri: string;
  /** Environment on top of the contract's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly scale: Omit<ScalePolicy, "windowMs">;
  /** Requests that one process works on at once; 0 means no limit. */
  readonly containerConcurrency: number;
  /** Longest time of one request, waiting and cold start included. */
  readonly timeoutSeconds: number;
  readonly startupTimeoutMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

/** What the plan depends on besides the manifest. */
export interface Facts {
  /** More processes than CPUs would only take turns. */
  readonly cpus: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that /opt/pilotlight stands for. */
  readonly installation: string;
  fileExists(file: string): boolean;
}

export interface PlanFault {
  readonly path: FieldPath;
  readonly message: string;
}

export type Planned =
  | { readonly plan: ServicePlan; readonly notices: readonly string[] }
  | { readonly faults: readonly PlanFault[] };

const PREDICTOR = ["spec", "predictor"] as const;
const MODEL = [...PREDICTOR, "model"] as const;

/** Knative's defaults: config-defaults (timeout), config-autoscaler (targets, utilisation), progress deadline. */
const TIMEOUT_SECONDS = 300;
const TARGET = { concurrency: 100, rps: 200 } as const;
const UTILISATION = 0.7;
const STARTUP_TIMEOUT_SECONDS = 600;
/** Beyond a request's own timeout: the predictor answers its last request and ends. */
const GRACE_EXTRA_MS = 5000;

const SET_BY_PLATFORM: readonly string[] = ["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"];
const SET_BY_FIELDS: readonly string[] = [
  "STORAGE_URI",
  "MODEL_NAME",
  "MODEL_DIR",
  "CONTAINER_CONCURRENCY",
  "REQUEST_TIMEOUT_SECONDS",
];

/**
 * The plan of an InferenceService that its schema has already been checked of, or all that speaks
 * against one.
 */
export function planService(isvc: InferenceService, facts: Facts): Planned {
  const { predictor } = isvc.spec;
  const faults = [...nameFaults(isvc.metadata.name), ...predictorFaults(isvc)];
  const { model } = predictor;
  if (model === undefined || faults.length > 0) {
    return { faults };
  }
  const env = planEnv(model, facts);
  const storage = planStorage(model, facts);
  faults.push(...runtimeFaults(model), ...env.faults, ...storage.faults);
  if (faults.length > 0) {
    return { faults };
  }
  const { minReplicas = isOfKServe(isvc) ? KSERVE_MIN_REPLICAS : 0, maxReplicas = 0 } = predictor;
  const most = Math.min(maxReplicas === 0 ? facts.cpus : maxReplicas, facts.cpus);
  const timeoutSeconds = predictor.timeout ?? TIMEOUT_SECONDS;
  return {
    plan: {
      name: isvc.metadata.name,
      namespace: isvc.metadata.namespace ?? "default",
      modelName: isvc.metadata.name,
      storageUri: storage.uri,
      env: { ...threads(model), ...modelEnvironment(predictor, isvc.metadata), ...env.values },
      args: model.args ?? [],
      scale: {
        ...planTarget(isvc),
        minReplicas: Math.min(minReplicas, most),
        maxReplicas: most,
      },
      containerConcurrency: predictor.containerConcurrency ?? 0,
      timeoutSeconds,
      startupTimeoutMs: (predictor.startupTimeout ?? STARTUP_TIMEOUT_SECONDS) * 1000,
      graceMs: timeoutSeconds * 1000 + GRACE_EXTRA_MS,
    },
    notices: [
      ...(minReplicas > most ? [`minReplicas ${minReplicas} is ${most} here: one a CPU`] : []),
      ...storage.notices,
      ...deviceNotices(model, predictor.accelerator),
    ],
  };
}

/** The InferenceService that `pilotlight serve MODEL` stands for. `storageUri` is a URI or a path. */
export function serviceOfModel(storageUri: string): InferenceService {
  const base = path.posix.basename(storageUri.replace(/\/+$/, ""));
  const word = base.replace(/\.(onnx|tar\.gz|tgz|ort)$/i, "").toLowerCase();
  const name = word.replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^[-0-9]+|-+$/g, "");
  return {
    apiVersion: "pilotlight.dev/v1beta1",
    kind: "InferenceService",
    metadata: { name: name.slice(0, 46).replace(/-+$/, "") || "model" },
    spec: { predictor: { model: { modelFormat: { name: "onnx" }, storageUri } } },
  };
}

function planTarget(isvc: InferenceService): Pick<ScalePolicy, "metric" | "target"> {
  const { scaleMetric, scaleTarget, containerConcurrency = 0 } = isvc.spec.predictor;
  if (scaleMetric === "rps") {
    return { metric: "rps", target: (scaleTarget ?? TARGET.rps) * UTILISATION };
  }
  const hard = containerConcurrency === 0 ? Infinity : containerConcurrency;
  const soft = scaleTarget ?? (containerConcurrency === 0 ? TARGET.concurrency : hard);
  return { metric: "concurrency", target: Math.min(soft, hard) * UTILISATION };
}

function predictorFaults(isvc: InferenceService): PlanFault[] {
  const { model, containers, minReplicas = 0, maxReplicas = 0, scaleMetric } = isvc.spec.predictor;
  const faults: PlanFault[] = [];
  if ((model === undefined) === (containers === undefined)) {
    const message =
      "exactly one of spec.predictor.model (a model for a runtime) and spec.predictor.containers (your own server) must be set";
    faults.push({ path: PREDICTOR, message });
  } else if (containers !== undefined) {
    const message =
      "spec.predictor.containers is a server of your own in an image, and pilotlight serve runs no containers: " +
      "apply this manifest to a cluster with kubectl apply -f, or give the server's program with --predictor and the model with spec.predictor.model";
    faults.push({ path: [...PREDICTOR, "containers"], message });
  }
  if (maxReplicas !== 0 && minReplicas > maxReplicas) {
    const message = `minReplicas ${minReplicas} must not be greater than maxReplicas ${maxReplicas} (0 means no upper limit)`;
    faults.push({ path: [...PREDICTOR, "minReplicas"], message });
  }
  if (scaleMetric === "cpu" || scaleMetric === "memory") {
    const message = `scaleMetric must be concurrency or rps: ${scaleMetric} cannot wake a service from zero`;
    faults.push({ path: [...PREDICTOR, "scaleMetric"], message });
  }
  return faults;
}

/** On this machine there is our own predictor, and nothing else. */
const RUNTIMES = builtIns({ predictorImage: "", thirdParty: false, images: {} });

function runtimeFaults(model: ModelSpec): PlanFault[] {
  if (model.protocolVersion?.startsWith("grpc") === true) {
    const message = `pilotlight serve speaks HTTP: remove "${model.protocolVersion}", or set GRPC_PORT on a predictor of its own`;
    return [{ path: [...MODEL, "protocolVersion"], message }];
  }
  const runtime = selectRuntime(modelNeeds(model), RUNTIMES);
  return isRefusal(runtime) ? [{ path: MODEL, message: runtime.message }] : [];
}

interface PlannedEnv {
  readonly values: Readonly<Record<string, string>>;
  readonly faults: readonly PlanFault[];
}

function planEnv(model: ModelSpec, facts: Facts): PlannedEnv {
  const values: Record<string, string> = {};
  const faults: PlanFault[] = [];
  for (const [index, entry] of (model.env ?? []).entries()) {
    const value = envValue(entry, facts);
    if (typeof value === "string") {
      values[entry.name] = value;
    } else if (value !== undefined) {
      faults.push({ path: [...MODEL, "env", index], message: value.fault });
    }
  }
  return { values, faults };
}

/** The value; undefined for an optional one that is not there. */
function envValue(entry: EnvVar, facts: Facts): string | { fault: string } | undefined {
  const { name, value, valueFrom } = entry;
  if (SET_BY_PLATFORM.includes(name)) {
    return { fault: `env must not set ${name}: the platform sets it` };
  }
  if (SET_BY_FIELDS.includes(name)) {
    return { fault: `env must not set ${name}: it comes from a field of its own` };
  }
  if (valueFrom === undefined) {
    return value ?? "";
  }
  if (value !== undefined) {
    return { fault: `only one of value and valueFrom of ${name} may be set` };
  }
  const { secretKeyRef, configMapKeyRef } = valueFrom;
  const reference = secretKeyRef ?? configMapKeyRef;
  if (reference === undefined || (secretKeyRef !== undefined && configMapKeyRef !== undefined)) {
    return { fault: `exactly one of secretKeyRef and configMapKeyRef of ${name} must be set` };
  }
  const given = facts.env[name];
  if (given !== undefined || reference.optional === true) {
    return given;
  }
  const kind = secretKeyRef === undefined ? "ConfigMap" : "Secret";
  return {
    fault:
      `${name} comes from ${kind} ${reference.name}, and there are no ${kind}s here: ` +
      `set it in the environment of pilotlight serve (${name}=… pilotlight serve …)`,
  };
}

interface PlannedStorage {
  readonly uri: string;
  readonly faults: readonly PlanFault[];
  readonly notices: readonly string[];
}

function planStorage(model: ModelSpec, facts: Facts): PlannedStorage {
  const { storageUri: uri } = model;
  const fault = (message: string): PlannedStorage => ({
    uri: "",
    faults: [{ path: uri === undefined ? MODEL : [...MODEL, "storageUri"], message }],
    notices: [],
  });
  if (uri === undefined) {
    return fault("spec.predictor.model.storageUri is missing: say where the model is");
  }
  if (/^[a-z0-9]+:\/\/[^/]*@/.test(uri)) {
    return fault("storageUri must not carry a user name or password: use model.env");
  }
  if (uri.includes("/../") || uri.endsWith("/..")) {
    return fault('storageUri must not contain ".."');
  }
  if (uri.startsWith("pvc://")) {
    const advice = "name the folder that the claim holds with file:///path";
    return fault(`${uri} is a claim of a cluster, and there are none here: ${advice}`);
  }
  if (isDownloaded(uri)) {
    return { uri, faults: [], notices: [] };
  }
  const file = localPath(uri, facts);
  if (file === undefined) {
    return fault(
      `storageUri ${uri} must be s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, https://host/path, ` +
        "hf://organisation/repository, oci://registry/repository:tag, file:///path or an absolute path",
    );
  }
  const missing = `${file} does not exist yet; it is looked for at each start`;
  const notices = facts.fileExists(file) ? [] : [missing];
  return { uri: pathToFileURL(file).href, faults: [], notices };
}

/**
 * The path of file:///path or /path, with /opt/pilotlight standing for the installation where it is
 * not that itself.
 */
function localPath(uri: string, facts: Facts): string | undefined {
  if (!/^(file:\/\/)?\/\S+$/.test(uri)) {
    return undefined;
  }
  const file = uri.startsWith("file:") ? fileURLToPath(uri) : uri;
  const isOurs = file === NOMINAL_ROOT || file.startsWith(`${NOMINAL_ROOT}/`);
  return isOurs && !facts.fileExists(file)
    ? path.join(facts.installation, file.slice(NOMINAL_ROOT.length))
    : file;
}

/**
 * In a pod, limits.cpu is what the predictor counts its threads by; here nothing else would tell
 * it.
 */
function threads(model: ModelSpec): Readonly<Record<string, string>> {
  const limit = String(model.resources?.limits?.["cpu"] ?? "");
  const match = /^(\d+(?:\.\d+)?)(m?)$/.exec(limit);
  if (match === null) {
    return {};
  }
  const cpus = Number(match[1]) / (match[2] === "m" ? 1000 : 1);
  return { INTRA_OP_NUM_THREADS: String(Math.max(1, Math.ceil(cpus))) };
}

function deviceNotices(model: ModelSpec, accelerator: Accelerator | undefined): string[] {
  const named = { ...model.resources?.requests, ...model.resources?.limits };
  const stated = Object.keys(named).filter((resource) => resource.includes("/"));
  const wanted =
    accelerator && (accelerator.resourceName ?? ACCELERATORS[accelerator.type].resource);
  const devices = new Set([...stated, ...(wanted === undefined ? [] : [wanted])]);
  return [...devices].map(
    (device) => `${device} is not handed out here: the model runs on the CPU`,
  );
}
