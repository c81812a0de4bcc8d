/**
 * Which nodes a required node affinity lets a pod onto (k8s.io/component-helpers
 * scheduling/corev1/nodeaffinity): one of its terms must be met, and of that every expression.
 */
import type { KubeObject } from "../cluster.ts";

interface Expression {
  readonly key?: string;
  readonly operator?: string;
  readonly values?: readonly string[];
}

interface Term {
  readonly matchExpressions?: readonly Expression[];
  readonly matchFields?: readonly Expression[];
}

interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms?: readonly Term[];
    };
  };
}

/** The terms that an `affinity` of a pod requires of a node; undefined when it requires none. */
export function requiredTerms(
  affinity: Readonly<Record<string, unknown>> | undefined,
): readonly Term[] | undefined {
  const { nodeAffinity } = (affinity ?? {}) as Affinity;
  return nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
}

/** Whether `node` meets one of `terms`. */
export function meets(node: KubeObject, terms: readonly Term[] | undefined): boolean {
  const { labels = {}, name } = node.metadata;
  return (
    terms === undefined ||
    terms.some(
      ({ matchExpressions = [], matchFields = [] }) =>
        matchExpressions.length + matchFields.length > 0 &&
        matchExpressions.every((one) => holds(one, labels)) &&
        matchFields.every((one) => holds(one, { "metadata.name": name })),
    )
  );
}

/** The terms for a sentence: `zone In a, b and gpu Exists`. */
export function written(terms: readonly Term[]): string {
  return terms
    .map(({ matchExpressions = [], matchFields = [] }) =>
      [...matchExpressions, ...matchFields]
        .map(({ key, operator, values = [] }) => `${key} ${operator} ${values.join(", ")}`.trim())
        .join(" and "),
    )
    .join(", or ");
}

type Labels = Readonly<Record<string, string>>;

/** What no operator of Kubernetes is, nobody meets. */
function holds({ key = "", operator, values = [] }: Expression, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}
