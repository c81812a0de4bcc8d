/** The one container of a predictor's pods. */
import type {
  CustomContainer,
  EnvVar,
  ModelSpec,
  PredictorSpec,
} from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer } from "../api/knative-service.gen.ts";
import { PREDICTOR_CONTAINER, PREDICTOR_PORT } from "../api/names.ts";
import type { ObjectMeta } from "../cluster.ts";
import { predictorEnvironment } from "./predictor-env.ts";
import type { ModelHosts } from "./model-hosts.ts";
import type { ModelMount } from "./storage.ts";

/** Values of the restricted pod security standard that any server can live with. */
export const CONFINED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
} as const;

export interface PredictorDefaults {
  /** Image of the standard predictor. */
  readonly image: string;
  readonly imagePullPolicy?: string;
  /** Requests for a predictor whose spec names no resources. */
  readonly resources: NonNullable<KnativeServiceContainer["resources"]>;
  /** Where models may come from; anywhere unless told. */
  readonly modelHosts?: ModelHosts;
}

/**
 * Container of the standard predictor for `model`; docs/runtime-contract.md says what its
 * environment means.
 */
export function modelContainer(input: {
  /** Of the InferenceService. */
  readonly metadata: ObjectMeta;
  readonly model: ModelSpec;
  readonly predictor: PredictorSpec;
  readonly mount: ModelMount;
  readonly defaults: PredictorDefaults;
}): KnativeServiceContainer {
  const { metadata, model, mount, defaults } = input;
  const grpc = model.protocolVersion === "grpc-v2";
  const environment = {
    MODEL_NAME: metadata.name,
    ...mount.env,
    ...(grpc ? { PROTOCOL: "grpc-v2" } : {}),
    ...predictorEnvironment(input.predictor, metadata),
  };
  return {
    name: PREDICTOR_CONTAINER,
    image: defaults.image,
    ...(defaults.imagePullPolicy === undefined
      ? {}
      : { imagePullPolicy: defaults.imagePullPolicy }),
    ...(model.args === undefined ? {} : { args: model.args }),
    env: lastOfEach([
      ...Object.entries(environment).map(([name, value]) => ({ name, value })),
      ...environmentOf(mount.secretEnv),
      ...environmentOf(model.env),
    ]),
    // One port for both: by this name Knative speaks HTTP/2 to it, and HTTP/1.1 to whoever asks so.
    ports: [{ containerPort: PREDICTOR_PORT, name: grpc ? "h2c" : "http1" }],
    resources: model.resources ?? defaults.resources,
    // No period: Knative's queue-proxy then asks every few milliseconds, which is what a cold start
    // waits for.
    readinessProbe: {
      httpGet: { path: "/v2/health/ready", port: PREDICTOR_PORT },
      successThreshold: 1,
    },
    livenessProbe: {
      httpGet: { path: "/v2/health/live", port: PREDICTOR_PORT },
      periodSeconds: 10,
      timeoutSeconds: 2,
      failureThreshold: 6,
    },
    securityContext: { ...CONFINED, runAsNonRoot: true, readOnlyRootFilesystem: true },
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...(mount.mounts.length === 0 ? {} : { volumeMounts: mount.mounts }),
  };
}

/**
 * A container of the user's own: as it is, confined where it says nothing. Whether it runs as root
 * is its image's affair: to force runAsNonRoot on an image made without it would stop servers that
 * work elsewhere.
 */
export function customContainer(container: CustomContainer): KnativeServiceContainer {
  const { env, securityContext, ...rest } = container;
  return {
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...rest,
    ...(env === undefined ? {} : { env: environmentOf(env) }),
    securityContext: { ...CONFINED, ...securityContext },
  };
}

type Environment = NonNullable<KnativeServiceContainer["env"]>;

/** A name twice is refused by the API server; what the user says comes last. */
function lastOfEach(env: Environment): Environment {
  return [...new Map(env.map((variable) => [variable.name, variable])).values()];
}

function environmentOf(env: readonly EnvVar[] | undefined): Environment {
  // Written out, since an empty value and an absent one are the same to Kubernetes but not to a
  // comparison.
  return (env ?? []).map(({ name, value, valueFrom }) => ({
    name,
    ...(value === undefined ? {} : { value }),
    ...(valueFrom === undefined ? {} : { valueFrom }),
  })) as unknown as Environment;
}
