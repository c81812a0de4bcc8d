/** The slice of Knative's schemas that Pilotlight writes or reads, with names for its parts. */
import type { JSONSchema } from "json-schema-to-typescript";

/**
 * What to keep of a schema: nothing said below a name keeps all of it; `title` names the interface.
 */
interface Keep {
  readonly title?: string;
  readonly fields?: Readonly<Record<string, Keep>>;
}

const ALL: Keep = {};

const CONDITION: Keep = { title: "Condition" };

const CONTAINER: Keep = {
  title: "Container",
  fields: Object.fromEntries(
    (
      "name image imagePullPolicy command args workingDir env envFrom ports resources readinessProbe livenessProbe " +
      "startupProbe securityContext volumeMounts terminationMessagePath terminationMessagePolicy"
    )
      .split(" ")
      .map((field) => [field, ALL]),
  ),
};

const SERVICE: Keep = {
  fields: {
    apiVersion: ALL,
    kind: ALL,
    metadata: ALL,
    spec: {
      title: "Spec",
      fields: {
        template: {
          title: "Template",
          fields: {
            metadata: ALL,
            spec: {
              title: "PodSpec",
              fields: {
                affinity: ALL,
                automountServiceAccountToken: ALL,
                containerConcurrency: ALL,
                dnsConfig: ALL,
                dnsPolicy: ALL,
                enableServiceLinks: ALL,
                hostAliases: ALL,
                hostIPC: ALL,
                hostNetwork: ALL,
                hostPID: ALL,
                imagePullSecrets: ALL,
                initContainers: ALL,
                nodeSelector: ALL,
                priorityClassName: ALL,
                responseStartTimeoutSeconds: ALL,
                runtimeClassName: ALL,
                schedulerName: ALL,
                securityContext: ALL,
                serviceAccountName: ALL,
                shareProcessNamespace: ALL,
                timeoutSeconds: ALL,
                tolerations: ALL,
                topologySpreadConstraints: ALL,
                volumes: { title: "Volume" },
                containers: CONTAINER,
              },
            },
          },
        },
        traffic: { title: "TrafficTarget" },
      },
    },
    status: {
      title: "Status",
      fields: {
        address: ALL,
        conditions: CONDITION,
        latestCreatedRevisionName: ALL,
        latestReadyRevisionName: ALL,
        observedGeneration: ALL,
        traffic: { title: "TrafficStatus" },
        url: ALL,
      },
    },
  },
};

const REVISION: Keep = {
  fields: {
    apiVersion: ALL,
    kind: ALL,
    metadata: ALL,
    status: {
      title: "Status",
      fields: {
        actualReplicas: ALL,
        desiredReplicas: ALL,
        conditions: CONDITION,
        observedGeneration: ALL,
      },
    },
  },
};

/**
 * `schema` reduced to the slice of `kind`.
 * @throws Error when Knative's schema lacks a field that we rely on: its API changed.
 */
export function knativeSlice(kind: "service" | "revision", schema: JSONSchema): JSONSchema {
  return slice(schema, kind === "service" ? SERVICE : REVISION, kind);
}

function slice(schema: JSONSchema, keep: Keep, path: string): JSONSchema {
  if (schema.type === "array") {
    return { ...schema, items: slice(schema.items as JSONSchema, keep, `${path}[]`) };
  }
  const titled = keep.title === undefined ? schema : { ...schema, title: keep.title };
  if (keep.fields === undefined) {
    return titled;
  }
  const properties = Object.entries(keep.fields).map(([name, inner]) => {
    const property = schema.properties?.[name];
    if (property === undefined) {
      throw new Error(`${path}.${name} is not in Knative's schema any more`);
    }
    return [name, slice(property, inner, `${path}.${name}`)];
  });
  const kept = new Set(Object.keys(keep.fields));
  const required = [titled.required ?? []].flat().filter((name) => kept.has(String(name)));
  return { ...titled, required: required as string[], properties: Object.fromEntries(properties) };
}
