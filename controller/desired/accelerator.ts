/**
 * spec.predictor.accelerator → what a pod needs to get the device and to use it well. Everything
 * here is a default: what the spec says itself wins, cell by cell (docs/accelerators.md).
 */
import type { Accelerator, PredictorSpec } from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer, KnativeServicePodSpec } from "../api/knative-service.gen.ts";
import { PREDICTOR_CONTAINER } from "../api/names.ts";
import { lookup } from "../lookup.ts";
import {
  ACCELERATORS,
  NEURON_DEVICES,
  TARGET_BURST_CAPACITY,
  TPU_TOPOLOGIES,
  type AcceleratorRow,
} from "./accelerators.ts";
import type { ComponentRequest } from "./component.ts";
import { isExtended } from "./extended-resources.ts";
import { parseQuantity } from "./quantity.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import type { Warning } from "./warning.ts";

const FIELD = "spec.predictor.accelerator";
const SHM_VOLUME = "shared-memory";
const SHM_PATH = "/dev/shm";

/** `predictor` with the accelerator's containerConcurrency where it names none. */
export function withAcceleratorDefaults(predictor: PredictorSpec): PredictorSpec {
  const { accelerator } = predictor;
  return accelerator === undefined
    ? predictor
    : {
        ...predictor,
        containerConcurrency:
          predictor.containerConcurrency ?? ACCELERATORS[accelerator.type].containerConcurrency,
      };
}

/** Seconds until ready that an accelerator's users are given, or undefined without one. */
export function acceleratorStartupTimeout(predictor: PredictorSpec): number | undefined {
  return predictor.accelerator && ACCELERATORS[predictor.accelerator.type].startupTimeoutSeconds;
}

/** The request with the device in it, or why that cannot be. */
export function accelerated(
  request: ComponentRequest,
  accelerator: Accelerator | undefined,
): ComponentRequest | Refusal {
  if (accelerator === undefined) {
    return request;
  }
  const row = ACCELERATORS[accelerator.type];
  const { count = 1, resourceName = row.resource } = accelerator;
  const topology = resourceName === row.resource ? placementOf(accelerator, row, count) : {};
  if (isRefusal(topology)) {
    return topology;
  }
  const { pod } = request;
  const at = serverIndex(pod.containers);
  const server = pod.containers[at];
  const resources = server && withDevice(server.resources ?? {}, resourceName, count);
  if (server === undefined || resources === undefined) {
    return request;
  }
  if (isRefusal(resources)) {
    return resources;
  }
  const shared = sharedMemory(accelerator, row, count, pod);
  const container: KnativeServiceContainer = {
    ...server,
    env: withEnvironment(server.env ?? [], accelerator.type, count),
    resources,
    ...(shared === undefined
      ? {}
      : {
          volumeMounts: [...(server.volumeMounts ?? []), { name: SHM_VOLUME, mountPath: SHM_PATH }],
        }),
  };
  return {
    ...request,
    brought: {
      ...request.brought,
      ...(pod.nodeSelector === undefined ? { nodeSelector: "accelerator (its nodeSelector)" } : {}),
      ...(pod.tolerations === undefined ? { tolerations: "accelerator (its tolerations)" } : {}),
    },
    annotations: {
      ...request.annotations,
      "autoscaling.knative.dev/target-burst-capacity": TARGET_BURST_CAPACITY,
    },
    pod: {
      ...pod,
      nodeSelector: { ...productSelector(accelerator, row), ...topology, ...pod.nodeSelector },
      tolerations: withToleration(pod.tolerations, row.resource),
      containers: pod.containers.map((each, index) => (index === at ? container : each)),
      ...(shared === undefined ? {} : { volumes: [...(pod.volumes ?? []), shared] }),
    },
  };
}

/** KServe's name for the container of the model server, beside ours. */
const SERVERS: readonly string[] = [PREDICTOR_CONTAINER, "kserve-container"];

/** Of several containers, the one that serves: the others do not see the device. */
function serverIndex(containers: readonly KnativeServiceContainer[]): number {
  return Math.max(
    0,
    containers.findIndex(({ name }) => SERVERS.includes(name ?? "")),
  );
}

type Labels = Readonly<Record<string, string>>;

/** Checks what only a product knows of its counts; a TPU's topology as a label. */
function placementOf(
  { type, product, topology }: Accelerator,
  row: AcceleratorRow,
  count: number,
): Labels | Refusal {
  const invalid = (message: string): Refusal => ({ reason: "InvalidAccelerator", message });
  if (count > row.countMax || row.counts?.includes(count) === false) {
    const possible = row.counts?.join(", ") ?? `1 to ${row.countMax}`;
    return invalid(
      `${FIELD}.count is ${count}, but one node has ${possible} of ${row.resource}, and a pod runs on one node; ` +
        `for another resource set ${FIELD}.resourceName`,
    );
  }
  const devices = type === "aws-neuron" ? lookup(NEURON_DEVICES, product ?? "") : undefined;
  if (devices !== undefined && count > devices) {
    return invalid(
      `${FIELD}.count is ${count}, but an instance ${product} has ${devices} of ${row.resource}`,
    );
  }
  return row.topologyLabel === undefined
    ? topology === undefined
      ? {}
      : invalid(`${FIELD}.topology is for google-tpu: ${type} has none`)
    : tpuTopology(product, topology, count, row.topologyLabel);
}

function tpuTopology(
  product: string | undefined,
  topology: string | undefined,
  count: number,
  label: string,
): Labels | Refusal {
  const invalid = (message: string): Refusal => ({ reason: "InvalidAccelerator", message });
  if (product === undefined) {
    const known = Object.keys(TPU_TOPOLOGIES).join(", ");
    return invalid(`${FIELD}.product must say which TPU: GKE selects nodes by it; known: ${known}`);
  }
  const known = lookup(TPU_TOPOLOGIES, product);
  const chosen = topology ?? known?.[count];
  if (chosen === undefined) {
    return known === undefined
      ? invalid(`${FIELD}.topology must be set for the product ${product}, e.g. 2x2 for 4 chips`)
      : invalid(
          `${FIELD}.count is ${count}, but one node of ${product} has ${Object.keys(known).join(" or ")} chips`,
        );
  }
  const chips = chosen.split("x").reduce((chipsSoFar, side) => chipsSoFar * Number(side), 1);
  return chips === count
    ? { [label]: chosen }
    : invalid(
        `${FIELD}.topology ${chosen} has ${chips} chips, but count is ${count}: a pod takes all chips of a slice on one node; ` +
          `set count to ${chips}, or leave topology out`,
      );
}

function productSelector({ product }: Accelerator, row: AcceleratorRow): Labels {
  if (product === undefined) {
    return {};
  }
  const found = row.productLabels.find(({ pattern }) => pattern?.test(product) ?? true);
  return found === undefined ? {} : { [found.label]: product };
}

type Resources = NonNullable<KnativeServiceContainer["resources"]>;

/** Limits equal to requests, as Kubernetes demands of extended resources. */
function withDevice(resources: Resources, name: string, count: number): Resources | Refusal {
  for (const part of ["limits", "requests"] as const) {
    const stated = resources[part]?.[name];
    if (stated !== undefined && parseQuantity(stated) !== count) {
      return {
        reason: "AcceleratorMismatch",
        message:
          `resources.${part} of the predictor's container ask for ${stated} of ${name}, ${FIELD}.count for ${count}; ` +
          `leave it out of resources`,
      };
    }
  }
  // As text: that is what Knative makes of it, and what is read back must be what was written.
  const device = { [name]: String(count) };
  return {
    ...resources,
    limits: { ...resources.limits, ...device },
    requests: { ...resources.requests, ...device },
  };
}

type Tolerations = NonNullable<KnativeServicePodSpec["tolerations"]>;

/** An empty list is a wish for none. */
function withToleration(stated: Tolerations | undefined, key: string): Tolerations {
  const own = { key, operator: "Exists", effect: "NoSchedule" } as const;
  if (stated === undefined) {
    return [own];
  }
  const covered =
    stated.length === 0 || stated.some((each) => each.key === key || (each.key ?? "") === "");
  return covered ? stated : [...stated, own];
}

type Volume = NonNullable<KnativeServicePodSpec["volumes"]>[number];

/** Undefined where the user mounts something there, or wants none. */
function sharedMemory(
  { sharedMemory: stated }: Accelerator,
  row: AcceleratorRow,
  count: number,
  pod: KnativeServicePodSpec,
): Volume | undefined {
  const mounted = pod.containers.some(
    (container) => container.volumeMounts?.some(({ mountPath }) => mountPath === SHM_PATH) ?? false,
  );
  if (mounted || (stated !== undefined && parseQuantity(stated) === 0)) {
    return undefined;
  }
  const sizeLimit = stated ?? `${row.sharedMemoryGi * count}Gi`;
  return { name: SHM_VOLUME, emptyDir: { medium: "Memory", sizeLimit } };
}

type Environment = NonNullable<KnativeServiceContainer["env"]>;

/** What the server in the container cannot know otherwise; a variable of the user's stays. */
function withEnvironment(env: Environment, type: string, count: number): Environment {
  const own = [
    { name: "ACCELERATOR", value: type },
    { name: "ACCELERATOR_COUNT", value: String(count) },
  ];
  return [...own.filter(({ name }) => env.every((each) => each.name !== name)), ...env];
}

/** Stated in the environment, it says that the image has the provider. */
const PROVIDERS = "EXECUTION_PROVIDERS";

/** That the device may be for nobody: what our own predictor (its image is `ownImage`) runs on. */
export function unusedDevice(request: ComponentRequest, ownImage: string): readonly Warning[] {
  const own = request.pod.containers.filter(
    ({ image, env }) =>
      image === ownImage && env?.every(({ name }) => name !== PROVIDERS) !== false,
  );
  const device = own
    .flatMap(({ resources }) => Object.keys(resources?.limits ?? {}))
    .find(isExtended);
  if (device === undefined) {
    return [];
  }
  const why = device.startsWith("nvidia.com/")
    ? `but the onnxruntime runtime uses it only with an image that has onnxruntime's CUDA provider, which the one that ` +
      `Pilotlight builds has not; if yours has, say so with ${PROVIDERS}=cuda in model.env`
    : "but the onnxruntime runtime of this version has no provider for it and runs on the CPU";
  const advice =
    "choose another runtime, bring a server in spec.predictor.containers, or ask for no device";
  return [{ reason: "AcceleratorUnused", message: `each pod gets ${device}, ${why}; ${advice}` }];
}
