/**
 * Shapes of those parts of a pod that the CRD leaves open for their size: which fields there are.
 * An unknown one must not be ignored in silence. Source: Kubernetes' core/v1 PodSpec.
 */
import { lookup } from "../lookup.ts";

/** `true`: a plain value; a list of one: items of that shape; `"*"`: any key. */
export type Shape = true | readonly [Shape] | { readonly [field: string]: Shape };

/** `names` as a shape of plain values. */
function fields(names: string): Record<string, Shape> {
  return Object.fromEntries(names.split(" ").map((name) => [name, true]));
}

const MAP: Shape = { "*": true };
const EXPRESSIONS: Shape = [{ ...fields("key operator"), values: [true] }];
const LABEL_SELECTOR: Shape = { matchLabels: MAP, matchExpressions: EXPRESSIONS };
const NODE_TERM: Shape = { matchExpressions: EXPRESSIONS, matchFields: EXPRESSIONS };
const POD_TERM: Shape = {
  labelSelector: LABEL_SELECTOR,
  namespaceSelector: LABEL_SELECTOR,
  namespaces: [true],
  topologyKey: true,
  matchLabelKeys: [true],
  mismatchLabelKeys: [true],
};
const POD_AFFINITY: Shape = {
  requiredDuringSchedulingIgnoredDuringExecution: [POD_TERM],
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: true, podAffinityTerm: POD_TERM }],
};

export const AFFINITY: Shape = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [NODE_TERM] },
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: true, preference: NODE_TERM }],
  },
  podAffinity: POD_AFFINITY,
  podAntiAffinity: POD_AFFINITY,
};

export const TOPOLOGY_SPREAD_CONSTRAINTS: Shape = [
  {
    ...fields(
      "maxSkew topologyKey whenUnsatisfiable minDomains nodeAffinityPolicy nodeTaintsPolicy",
    ),
    labelSelector: LABEL_SELECTOR,
    matchLabelKeys: [true],
  },
];

export const HOST_ALIASES: Shape = [{ ip: true, hostnames: [true] }];

export const DNS_CONFIG: Shape = {
  nameservers: [true],
  searches: [true],
  options: [fields("name value")],
};

const ITEMS: Shape = [fields("key path mode")];
const FIELD_REF: Shape = fields("apiVersion fieldPath");
const RESOURCE_FIELD_REF: Shape = fields("containerName resource divisor");

/** Of core/v1 PersistentVolumeClaimTemplate. */
const CLAIM_TEMPLATE: Shape = {
  metadata: { labels: MAP, annotations: MAP },
  spec: {
    ...fields("storageClassName volumeMode volumeName volumeAttributesClassName"),
    accessModes: [true],
    resources: { requests: MAP, limits: MAP },
    selector: LABEL_SELECTOR,
    dataSource: fields("apiGroup kind name"),
    dataSourceRef: fields("apiGroup kind name namespace"),
  },
};

export const VOLUMES: Shape = [
  {
    name: true,
    emptyDir: fields("medium sizeLimit"),
    secret: { ...fields("secretName optional defaultMode"), items: ITEMS },
    configMap: { ...fields("name optional defaultMode"), items: ITEMS },
    projected: {
      defaultMode: true,
      sources: [
        {
          secret: { ...fields("name optional"), items: ITEMS },
          configMap: { ...fields("name optional"), items: ITEMS },
          serviceAccountToken: fields("audience expirationSeconds path"),
          downwardAPI: {
            items: [
              { ...fields("path mode"), fieldRef: FIELD_REF, resourceFieldRef: RESOURCE_FIELD_REF },
            ],
          },
        },
      ],
    },
    persistentVolumeClaim: fields("claimName readOnly"),
    hostPath: fields("path type"),
    ephemeral: { volumeClaimTemplate: CLAIM_TEMPLATE },
    csi: {
      ...fields("driver fsType readOnly"),
      volumeAttributes: MAP,
      nodePublishSecretRef: fields("name"),
    },
    image: fields("reference pullPolicy"),
  },
];

export const POD_SECURITY_CONTEXT: Shape = {
  ...fields("runAsUser runAsGroup runAsNonRoot fsGroup"),
  supplementalGroups: [true],
  seccompProfile: fields("type localhostProfile"),
};

export const SECURITY_CONTEXT: Shape = {
  ...fields(
    "runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation privileged",
  ),
  capabilities: { add: [true], drop: [true] },
  seccompProfile: fields("type localhostProfile"),
};

export const PROBE: Shape = {
  ...fields(
    "initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold terminationGracePeriodSeconds",
  ),
  exec: { command: [true] },
  httpGet: { ...fields("path port host scheme"), httpHeaders: [fields("name value")] },
  tcpSocket: fields("port host"),
  grpc: fields("port service"),
};

const KEY_REF: Shape = fields("name key optional");

/** The container fields that Knative carries (its pkg/apis/serving/fieldmask.go ContainerMask). */
export const CONTAINER: Shape = {
  ...fields(
    "name image imagePullPolicy workingDir terminationMessagePath terminationMessagePolicy",
  ),
  command: [true],
  args: [true],
  env: [
    {
      ...fields("name value"),
      valueFrom: {
        secretKeyRef: KEY_REF,
        configMapKeyRef: KEY_REF,
        fieldRef: FIELD_REF,
        resourceFieldRef: RESOURCE_FIELD_REF,
      },
    },
  ],
  envFrom: [
    { prefix: true, secretRef: fields("name optional"), configMapRef: fields("name optional") },
  ],
  ports: [fields("containerPort name protocol")],
  resources: { limits: MAP, requests: MAP },
  volumeMounts: [fields("name mountPath subPath readOnly mountPropagation")],
  readinessProbe: PROBE,
  livenessProbe: PROBE,
  startupProbe: PROBE,
  securityContext: SECURITY_CONTEXT,
};

/**
 * Path of the first thing in `value` that `shape` has no place for, with what it has there instead;
 * undefined when all fits.
 */
export function misfit(
  shape: Shape,
  value: unknown,
  path: string,
): { readonly path: string; readonly known: readonly string[] } | undefined {
  if (value === null || value === undefined) {
    return undefined;
  }
  if (shape === true) {
    return typeof value === "object" ? { path, known: ["a plain value"] } : undefined;
  }
  if (isListShape(shape)) {
    return Array.isArray(value)
      ? first(value, (item: unknown, at) =>
          item === null
            ? { path: `${path}[${at}]`, known: ["what is not empty"] }
            : misfit(shape[0], item, `${path}[${at}]`),
        )
      : { path, known: ["a list"] };
  }
  if (typeof value !== "object" || Array.isArray(value)) {
    return { path, known: Object.keys(shape) };
  }
  return first(Object.entries(value), ([field, inner]) => {
    const below = lookup(shape, field) ?? shape["*"];
    return below === undefined
      ? { path: `${path}.${field}`, known: Object.keys(shape) }
      : misfit(below, inner, `${path}.${field}`);
  });
}

function isListShape(shape: Exclude<Shape, true>): shape is readonly [Shape] {
  return Array.isArray(shape);
}

function first<T, R>(
  items: readonly T[],
  find: (item: T, at: number) => R | undefined,
): R | undefined {
  for (const [at, item] of items.entries()) {
    const found = find(item, at);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}
