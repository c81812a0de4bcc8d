/** JSON schemas that a value of the chart can be said to have by `@type NAME`. */
import { HOST } from "../../controller/desired/model-hosts.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

const text = { type: "string" };
const namespace = { type: "string", pattern: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" };
const quantities = {
  type: "object",
  additionalProperties: { type: ["string", "number"] },
};
/** Anything Kubernetes takes there; the API server checks it. */
const raw = { type: "object", additionalProperties: true };

export const VALUE_TYPES: Readonly<Record<string, JsonSchema>> = {
  labels: {
    type: "object",
    additionalProperties: { type: "string", maxLength: 63 },
  },
  annotations: { type: "object", additionalProperties: text },
  names: { type: "array", items: namespace, uniqueItems: true },
  hosts: { type: "array", items: { type: "string", pattern: HOST.source }, uniqueItems: true },
  cidrs: { type: "array", items: { type: "string", pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$" } },
  ports: {
    type: "array",
    minItems: 1,
    items: { type: "integer", minimum: 1, maximum: 65_535 },
  },
  references: {
    type: "array",
    items: closed({ name: { type: "string", minLength: 1 } }, ["name"]),
  },
  resources: closed({ requests: quantities, limits: quantities }),
  tolerations: {
    type: "array",
    items: closed({
      key: text,
      operator: { enum: ["Exists", "Equal"] },
      value: text,
      effect: { enum: ["NoSchedule", "PreferNoSchedule", "NoExecute"] },
      tolerationSeconds: { type: "integer" },
    }),
  },
  raw,
  rawList: { type: "array", items: raw },
  manifests: { type: "array", items: { anyOf: [raw, text] } },
};

function closed(properties: JsonSchema, required: readonly string[] = []): JsonSchema {
  return {
    type: "object",
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties,
  };
}
