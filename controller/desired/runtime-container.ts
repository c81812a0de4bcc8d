/**
 * A runtime's container and what the InferenceService says about it, as one (kserve
 * MergeRuntimeContainers: a strategic merge, except that arguments follow each other).
 */
import type { ModelSpec } from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer } from "../api/knative-service.gen.ts";
import { PREDICTOR_PORT } from "../api/names.ts";
import type { ServingRuntimeSpec } from "../api/servingruntime.gen.ts";
import { CONFINED } from "./container.ts";
import type { Protocol } from "./runtimes.ts";

export type RuntimeContainer = ServingRuntimeSpec["containers"][number];

/** What an InferenceService may say about the model's container. */
export type ModelContainer = ModelSpec & {
  readonly runtimeVersion?: string;
} & Readonly<Partial<Record<(typeof REPLACED)[number], unknown>>>;

/** Fields that are the InferenceService's where it has them. */
const REPLACED = [
  "image",
  "imagePullPolicy",
  "command",
  "workingDir",
  "readinessProbe",
  "livenessProbe",
  "startupProbe",
  "terminationMessagePath",
  "terminationMessagePolicy",
] as const;

/** Which of a runtime's containers serves the model: others stand beside it. */
export function serverOf(containers: readonly RuntimeContainer[]): RuntimeContainer | undefined {
  return containers.find(({ name }) => name === "kserve-container") ?? containers[0];
}

export interface MergeOptions {
  readonly model: ModelContainer;
  readonly protocol: Protocol;
  /** Whether the pods get a GPU, whatever the resources say. */
  readonly gpu: boolean;
  /** Behind the tag of an image for GPUs, where the runtime has images of that kind. */
  readonly gpuTagSuffix: string | undefined;
}

/** The container that serves the model; placeholders are not expanded yet. */
export function mergeContainer(
  runtime: RuntimeContainer,
  options: MergeOptions,
): KnativeServiceContainer {
  const model = options.model as unknown as Readonly<Record<string, unknown>>;
  const own = Object.fromEntries(
    REPLACED.filter((field) => model[field] !== undefined).map((field) => [field, model[field]]),
  );
  const merged = {
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...runtime,
    ...own,
    args: [...(runtime.args ?? []), ...(options.model.args ?? [])],
    env: byKey("name", runtime.env, options.model.env),
    envFrom: [...list(runtime.envFrom), ...list(model["envFrom"])],
    resources: mergeResources(runtime.resources, options.model.resources),
    ports: [portFor(options.protocol, list(model["ports"] ?? runtime.ports))],
    securityContext: {
      ...CONFINED,
      ...runtime.securityContext,
      ...(model["securityContext"] as object | undefined),
    },
    volumeMounts: byKey("mountPath", list(runtime.volumeMounts), list(model["volumeMounts"])),
  };
  const image = taggedImage(merged.image, merged.resources, options);
  return withoutEmpty({ ...merged, ...(image === undefined ? {} : { image }) });
}

/** The standard predictor's container with what the user says of it beside env, args and resources. */
export function withModelFields(
  container: KnativeServiceContainer,
  model: ModelContainer,
): KnativeServiceContainer {
  const fields = model as unknown as Readonly<Record<string, unknown>>;
  const own = Object.fromEntries(
    REPLACED.filter((field) => fields[field] !== undefined).map((field) => [field, fields[field]]),
  );
  const merged = {
    ...container,
    ...own,
    envFrom: list(fields["envFrom"]),
    ports: list(fields["ports"] ?? container.ports),
    securityContext: {
      ...container.securityContext,
      ...(fields["securityContext"] as object | undefined),
    },
    volumeMounts: byKey("mountPath", list(container.volumeMounts), list(fields["volumeMounts"])),
  };
  return withoutEmpty(merged);
}

/** A container beside the server: as it is, confined where it says nothing. It listens nowhere. */
export function besideContainer(container: RuntimeContainer): KnativeServiceContainer {
  const { ports: _ports, ...rest } = container;
  return withoutEmpty({
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...rest,
    securityContext: { ...CONFINED, ...container.securityContext },
  });
}

type Item = Readonly<Record<string, unknown>>;

function list(value: unknown): readonly Item[] {
  return Array.isArray(value) ? (value as readonly Item[]) : [];
}

/** Both lists as one; an item of the second takes the place of the first's with the same key. */
export function byKey(
  key: string,
  first: readonly object[] | undefined,
  second: readonly object[] | undefined,
): readonly Item[] {
  const items = [...list(first), ...list(second)];
  return [...new Map(items.map((item) => [item[key], item])).values()];
}

type Resources = NonNullable<KnativeServiceContainer["resources"]>;

function mergeResources(first: Resources | undefined, second: Resources | undefined): Resources {
  const merged: Resources = {
    limits: { ...first?.limits, ...second?.limits },
    requests: { ...first?.requests, ...second?.requests },
  };
  return Object.fromEntries(
    Object.entries(merged).filter(([, quantities]) => Object.keys(quantities ?? {}).length > 0),
  );
}

/** The one port that Knative takes: h2c for gRPC, else one that is not. */
function portFor(protocol: Protocol, ports: readonly Item[]): Item {
  const grpc = protocol.startsWith("grpc");
  const fitting = ports.find(({ name }) => (name === "h2c") === grpc);
  const port = fitting ?? ports[0] ?? { containerPort: PREDICTOR_PORT };
  // Knative knows these two names alone, and speaks HTTP/2 by one of them.
  return { ...port, name: grpc || port["name"] === "h2c" ? "h2c" : "http1" };
}

function taggedImage(
  image: string | undefined,
  resources: Resources,
  { model, gpu, gpuTagSuffix }: MergeOptions,
): string | undefined {
  if (image === undefined) {
    return undefined;
  }
  if (model.runtimeVersion !== undefined) {
    return `${image.replace(/(@[^/]*|:[^/:]*)$/, "")}:${model.runtimeVersion}`;
  }
  const wantsGpu =
    gpu ||
    Object.keys({ ...resources.limits, ...resources.requests }).some((name) =>
      name.endsWith("/gpu"),
    );
  const tagged = /:[^/@]+$/.test(image);
  return wantsGpu && gpuTagSuffix !== undefined && tagged && !image.endsWith(gpuTagSuffix)
    ? `${image}${gpuTagSuffix}`
    : image;
}

function withoutEmpty(container: object): KnativeServiceContainer {
  return Object.fromEntries(
    Object.entries(container).filter(
      ([, value]) =>
        value !== undefined &&
        !(typeof value === "object" && value !== null && Object.keys(value).length === 0),
    ),
  );
}
