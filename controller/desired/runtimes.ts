/**
 * Which runtime serves a model, by KServe's rules (kserve pkg/apis/serving/v1beta1
 * predictor_model.go): those of the namespace before those of the cluster, among them the highest
 * priority, and so that the same objects always give the same answer.
 */
import type { ServingRuntimeSpec } from "../api/servingruntime.gen.ts";
import type { Refusal } from "./refusal.ts";

export type RuntimeKind = "ServingRuntime" | "ClusterServingRuntime" | "BuiltIn";

export interface Runtime {
  /** BuiltIn: part of the controller, shadowed by a ClusterServingRuntime of the same name. */
  readonly kind: RuntimeKind;
  readonly name: string;
  /** RFC 3339; absent for what is built in, which counts as the oldest. */
  readonly createdAt?: string;
  /** Digest of the spec: tells a changed runtime from the same one. */
  readonly digest: string;
  readonly spec: ServingRuntimeSpec;
}

export type Protocol = NonNullable<ServingRuntimeSpec["protocolVersions"]>[number];

/** What a model asks of a runtime. */
export interface ModelNeeds {
  readonly format: string;
  readonly version?: string | undefined;
  readonly protocol?: Protocol | undefined;
  /** Name of the runtime that the InferenceService insists on. */
  readonly runtime?: string | undefined;
}

export interface Selection {
  readonly runtime: Runtime;
  /** What clients speak with it: as asked, else the first that it speaks. */
  readonly protocol: Protocol;
}

/** In this order a runtime's own protocol is chosen, and runtimes of the same priority rank. */
const PROTOCOLS: readonly Protocol[] = ["v1", "v2", "grpc-v1", "grpc-v2"];

/** The protocols of a runtime, in the order of PROTOCOLS; one that names none speaks v1. */
export function protocolsOf({ protocolVersions }: ServingRuntimeSpec): readonly Protocol[] {
  return protocolVersions === undefined || protocolVersions.length === 0
    ? ["v1"]
    : PROTOCOLS.filter((protocol) => protocolVersions.includes(protocol));
}

/** The runtime for a model, or why there is none. */
export function selectRuntime(
  needs: ModelNeeds,
  runtimes: readonly Runtime[],
): Selection | Refusal {
  const visible = withoutShadowed(runtimes);
  return needs.runtime === undefined
    ? chooseRuntime(needs, visible)
    : namedRuntime(needs, needs.runtime, visible);
}

/**
 * Whether a runtime that was chosen before may go on serving the model: it may be disabled or no
 * longer the first choice, but it must still be what the InferenceService asks for.
 */
export function stillServes(needs: ModelNeeds, runtime: Runtime): Selection | undefined {
  const named = needs.runtime === undefined || needs.runtime === runtime.name;
  const serves = formatOf(needs, runtime) !== undefined;
  const protocol = protocolFor(needs, runtime);
  return named && serves && protocol !== undefined ? { runtime, protocol } : undefined;
}

/** An object of the namespace, of the cluster and a built-in one may have the same name. */
function withoutShadowed(runtimes: readonly Runtime[]): readonly Runtime[] {
  const objects = new Set(
    runtimes.flatMap(({ kind, name }) => (kind === "ClusterServingRuntime" ? [name] : [])),
  );
  return runtimes.filter(({ kind, name }) => kind !== "BuiltIn" || !objects.has(name));
}

function namedRuntime(
  needs: ModelNeeds,
  name: string,
  runtimes: readonly Runtime[],
): Selection | Refusal {
  const named = runtimes.filter((runtime) => runtime.name === name);
  const [runtime] = named.toSorted((one, other) => place(one) - place(other));
  if (runtime === undefined) {
    const known = [...new Set(runtimes.map((other) => other.name))].toSorted().join(", ");
    return {
      reason: "RuntimeNotFound",
      message: `spec.predictor.model.runtime "${name}" is not known; known: ${known}`,
    };
  }
  if (runtime.spec.disabled === true) {
    return {
      reason: "RuntimeDisabled",
      message: `spec.predictor.model.runtime: ${shown(runtime)} is disabled; enable it or name another one`,
    };
  }
  if (formatOf(needs, runtime) === undefined) {
    return {
      reason: "NoSupportingRuntime",
      message:
        `spec.predictor.model.runtime: ${shown(runtime)} does not list modelFormat ${shownFormat(needs)}; ` +
        `it lists ${formatsOf([runtime]).join(", ") || "none"}`,
    };
  }
  const protocol = protocolFor(needs, runtime);
  return protocol === undefined ? protocolRefusal(needs, [runtime]) : { runtime, protocol };
}

function chooseRuntime(needs: ModelNeeds, runtimes: readonly Runtime[]): Selection | Refusal {
  const fitting = runtimes.filter(
    (runtime) => runtime.spec.disabled !== true && formatOf(needs, runtime) !== undefined,
  );
  if (fitting.length === 0) {
    return noRuntime(needs, runtimes);
  }
  // Without a word on the protocol KServe means v1; a runtime that speaks it goes before others.
  const protocols = needs.protocol === undefined ? (["v1", undefined] as const) : [needs.protocol];
  for (const protocol of protocols) {
    const asked = { ...needs, protocol };
    const speaking = fitting.filter((runtime) => protocolFor(asked, runtime) !== undefined);
    const [runtime] = speaking.toSorted((one, other) => compare(needs, one, other));
    const spoken = runtime === undefined ? undefined : protocolFor(asked, runtime);
    if (runtime !== undefined && spoken !== undefined) {
      return { runtime, protocol: spoken };
    }
  }
  return protocolRefusal(needs, fitting);
}

type Format = NonNullable<ServingRuntimeSpec["supportedModelFormats"]>[number];

/**
 * The entry by which a runtime serves the model. A version must be listed as it is; without
 * autoSelect a runtime serves only those that name it.
 */
function formatOf(needs: ModelNeeds, { spec }: Runtime): Format | undefined {
  const entries = (spec.supportedModelFormats ?? []).filter(
    ({ name, version, autoSelect }) =>
      name === needs.format &&
      (needs.version === undefined || version === needs.version) &&
      (needs.runtime !== undefined || autoSelect === true),
  );
  return entries.toSorted((one, other) => (other.priority ?? 0) - (one.priority ?? 0))[0];
}

function protocolFor(needs: ModelNeeds, { spec }: Runtime): Protocol | undefined {
  const spoken = protocolsOf(spec);
  return needs.protocol === undefined
    ? spoken[0]
    : spoken.find((protocol) => protocol === needs.protocol);
}

function place({ kind }: Runtime): number {
  return kind === "ServingRuntime" ? 0 : kind === "ClusterServingRuntime" ? 1 : 2;
}

/**
 * Namespace, priority, lowest protocol, newest, name. An equal priority does not take a model from
 * what is built in: only a higher one does.
 */
function compare(needs: ModelNeeds, one: Runtime, other: Runtime): number {
  const priority = (runtime: Runtime): number => formatOf(needs, runtime)?.priority ?? 0;
  const scope = (runtime: Runtime): number => (runtime.kind === "ServingRuntime" ? 0 : 1);
  const protocol = ({ spec }: Runtime): number =>
    PROTOCOLS.indexOf(protocolsOf(spec)[0] ?? "grpc-v2");
  const builtIn = (runtime: Runtime): number => (runtime.kind === "BuiltIn" ? 0 : 1);
  const ranked = (runtime: Runtime): number => (priority(runtime) > 0 ? builtIn(runtime) : 0);
  return (
    scope(one) - scope(other) ||
    priority(other) - priority(one) ||
    ranked(one) - ranked(other) ||
    protocol(one) - protocol(other) ||
    compareText(other.createdAt ?? "", one.createdAt ?? "") ||
    compareText(one.name, other.name)
  );
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function noRuntime(needs: ModelNeeds, runtimes: readonly Runtime[]): Refusal {
  const onRequest = runtimes.filter(
    (runtime) => formatOf({ ...needs, runtime: runtime.name }, runtime) !== undefined,
  );
  const selectable = runtimes.filter(({ spec }) => spec.disabled !== true);
  const advice =
    onRequest.length === 0
      ? "Convert the model to ONNX, make a ServingRuntime, or bring a server of your own in spec.predictor.containers"
      : `${onRequest.map(shown).join(", ")} would, but must be named in spec.predictor.model.runtime or is disabled`;
  return {
    reason: "NoSupportingRuntime",
    message:
      `no runtime serves spec.predictor.model.modelFormat ${shownFormat(needs)}; ` +
      `supported: ${supported(needs, selectable)}. ${advice}`,
  };
}

/** The names of all formats; where the name is right, its versions. */
function supported({ format }: ModelNeeds, runtimes: readonly Runtime[]): string {
  const entries = runtimes.flatMap(({ spec }) => spec.supportedModelFormats ?? []);
  const versions = entries.filter(({ name }) => name === format);
  const words =
    versions.length === 0
      ? entries.map(({ name }) => name)
      : versions.map(({ name, version }) => shownFormat({ format: name, version }));
  return [...new Set(words)].toSorted().join(", ");
}

function protocolRefusal(needs: ModelNeeds, runtimes: readonly Runtime[]): Refusal {
  const speak = runtimes.map(
    (runtime) => `${shown(runtime)} speaks ${protocolsOf(runtime.spec).join(" and ")}`,
  );
  return {
    reason: "ProtocolNotSupported",
    message:
      `no runtime for spec.predictor.model.modelFormat ${shownFormat(needs)} speaks protocolVersion "${needs.protocol}": ` +
      speak.join("; "),
  };
}

function formatsOf(runtimes: readonly Runtime[]): readonly string[] {
  const shownFormats = runtimes.flatMap(({ spec }) =>
    (spec.supportedModelFormats ?? []).map(({ name, version }) =>
      shownFormat({ format: name, version }),
    ),
  );
  return [...new Set(shownFormats)].toSorted();
}

function shownFormat({ format, version }: ModelNeeds): string {
  return version === undefined ? `"${format}"` : `"${format}" version "${version}"`;
}

function shown({ kind, name }: Runtime): string {
  return kind === "BuiltIn" ? name : `${kind} ${name}`;
}
