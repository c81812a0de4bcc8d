/**
 * Servers of the user's own: the containers of a predictor without a model, a transformer, an
 * explainer. Transformers are told where the predictor is the way KServe tells them.
 */
import type {
  CustomContainer,
  InferenceService,
  TransformerSpec,
} from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { type ComponentName, componentServiceName } from "../api/names.ts";
import { checkComponent } from "./check.ts";
import type { ComponentRequest } from "./component.ts";
import { customContainer } from "./container.ts";
import { checkContainer } from "./containers.ts";
import { podFields } from "./pod.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import { traffic } from "./traffic.ts";

/** KServe's names: who serves, and who stands before it in the same pod. */
const SERVER = "kserve-container";
export const COLLOCATED_TRANSFORMER = "transformer-container";
/** Where a server listens that names no port. */
const PORT = 8080;

/** The transformer or explainer of `isvc`, whose spec is `spec`. */
export function customRequest(
  isvc: InferenceService,
  component: Exclude<ComponentName, "predictor">,
  spec: TransformerSpec,
): ComponentRequest | Refusal {
  const path = `spec.${component}`;
  const refusal = checkComponent(spec, path, [component]) ?? onlyOurs(spec, path);
  if (refusal !== undefined) {
    return refusal;
  }
  if (spec.containers === undefined) {
    return {
      reason: "InvalidSpec",
      message: `${path}.containers must be set: a ${component} is a server of your own`,
    };
  }
  const containers = customContainers(isvc, spec.containers, path);
  if (isRefusal(containers)) {
    return containers;
  }
  const { name, namespace } = isvc.metadata;
  const host = [componentServiceName(name, "predictor"), ...(namespace ?? "").split(".")];
  const arguments_ =
    component === "transformer"
      ? {
          model_name: name,
          predictor_host: host.filter(Boolean).join("."),
          http_port: String(PORT),
        }
      : { model_name: name, predictor_host: host.filter(Boolean).join(".") };
  return {
    component,
    extension: spec,
    pod: customPod(
      spec,
      containers.map((container, at) => (at === 0 ? told(container, arguments_) : container)),
    ),
    traffic: traffic(),
  };
}

/** What only the standard predictor does. */
export function onlyOurs(
  spec: Pick<TransformerSpec, "logger" | "batcher">,
  path: string,
): Refusal | undefined {
  const field = (["logger", "batcher"] as const).find((name) => spec[name] !== undefined);
  return field === undefined
    ? undefined
    : {
        reason: "FieldNotSupported",
        message: `${path}.${field} is not supported here: the standard predictor does it itself, and no sidecar is put beside another server; let that server do it`,
      };
}

/** The pods of a server of the user's own. */
export function customPod(
  spec: Pick<TransformerSpec, "serviceAccountName" | "initContainers">,
  containers: readonly KnativeServiceContainer[],
): KnativeServicePodSpec {
  // An account of its own is there for its token; Knative takes no other value than false.
  const token = spec.serviceAccountName !== undefined;
  return {
    ...(token ? {} : { automountServiceAccountToken: false }),
    ...podFields(spec),
    ...(spec.initContainers === undefined
      ? {}
      : { initContainers: initContainers(spec.initContainers) }),
    containers,
  };
}

type InitContainers = NonNullable<KnativeServicePodSpec["initContainers"]>;

function initContainers(containers: TransformerSpec["initContainers"] = []): InitContainers {
  return containers.map((container) => ({ ...customContainer(container) }));
}

/**
 * The containers as Knative takes them, the one that requests go to first: transformer-container,
 * else kserve-container, else the first.
 */
export function customContainers(
  isvc: InferenceService,
  containers: readonly CustomContainer[],
  path: string,
): readonly KnativeServiceContainer[] | Refusal {
  const server =
    containers.find(({ name }) => name === COLLOCATED_TRANSFORMER) ??
    containers.find(({ name }) => name === SERVER) ??
    containers[0];
  for (const [at, container] of containers.entries()) {
    const refusal = checkContainer(container, `${path}.containers[${at}]`, container === server);
    if (refusal !== undefined) {
      return refusal;
    }
  }
  const others = containers.filter((container) => container !== server);
  return server === undefined
    ? []
    : [
        serving(isvc, server, others.length > 0),
        ...others.map((container) => named(isvc, customContainer(container))),
      ];
}

/** With the port by which Knative tells it from others in the pod. */
function serving(
  isvc: InferenceService,
  container: CustomContainer,
  hasOthers: boolean,
): KnativeServiceContainer {
  const { ports, ...rest } = customContainer(container);
  const port = ports?.[0] ?? (hasOthers ? { containerPort: PORT } : undefined);
  // KServe's name for it; Knative takes names of protocols alone.
  const { name, ...unnamed } = port ?? { containerPort: PORT };
  return named(isvc, {
    ...rest,
    ...(port === undefined ? {} : { ports: [name === "user-port" ? unnamed : port] }),
  });
}

/** With the name of the InferenceService in its environment, as KServe does. */
function named(
  { metadata }: InferenceService,
  container: KnativeServiceContainer,
): KnativeServiceContainer {
  const name = "INFERENCE_SERVICE_NAME";
  const { env = [] } = container;
  return env.some((variable) => variable.name === name)
    ? container
    : { ...container, env: [{ name, value: metadata.name }, ...env] };
}

/** With those of `arguments_` as flags that it does not have already. */
export function told(
  container: KnativeServiceContainer,
  arguments_: Readonly<Record<string, string>>,
): KnativeServiceContainer {
  const { args = [] } = container;
  const missing = Object.entries(arguments_).filter(
    ([flag]) =>
      !args.some((argument) => argument === `--${flag}` || argument.startsWith(`--${flag}=`)),
  );
  return {
    ...container,
    args: [...args, ...missing.flatMap(([flag, value]) => [`--${flag}`, value])],
  };
}
