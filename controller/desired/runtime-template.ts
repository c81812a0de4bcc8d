/**
 * `{{.Name}}` and its like in a runtime's containers (kserve pkg/controller/v1beta1/
 * inferenceservice/utils ReplacePlaceholders: a Go template over the metadata). What a Go template
 * can do beyond that is refused, for nobody would see that it was not done.
 */
import type { Refusal } from "./refusal.ts";

export interface TemplateValues {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Braces around anything else, a chat template's for example, are text. */
const PLACEHOLDER = /\{\{-?\s*(\.[^{}]*?|index\s[^{}]*?)\s*-?\}\}/g;

export type Expanded<T> = { readonly value: T } | { readonly refusal: Refusal };

/** `value` with every placeholder in its strings replaced; keys are left alone. */
export function expand<T>(value: T, values: TemplateValues): Expanded<T> {
  const unknown = new Set<string>();
  const walk = (node: unknown): unknown => {
    if (typeof node === "string") {
      return node.replace(PLACEHOLDER, (whole, expression: string) => {
        const found = evaluate(expression, values);
        if (found === undefined) unknown.add(whole);
        return found ?? whole;
      });
    }
    if (Array.isArray(node)) {
      return node.map(walk);
    }
    return typeof node === "object" && node !== null
      ? Object.fromEntries(Object.entries(node).map(([key, inner]) => [key, walk(inner)]))
      : node;
  };
  const expanded = walk(value) as T;
  return unknown.size === 0
    ? { value: expanded }
    : {
        refusal: {
          reason: "RuntimeTemplateInvalid",
          message:
            `the runtime's ${[...unknown].join(" and ")} stands for nothing here; it may be {{.Name}}, {{.Namespace}}, {{.Labels.KEY}}, ` +
            `{{.Annotations.KEY}} or {{index .Labels "KEY"}} of this InferenceService, which must have the label or annotation`,
        },
      };
}

function evaluate(expression: string, values: TemplateValues): string | undefined {
  const [, map, key] =
    /^\.(Labels|Annotations)\.([A-Za-z0-9_]+)$/.exec(expression) ??
    /^index\s+\.(Labels|Annotations)\s+["`]([^"`]+)["`]$/.exec(expression) ??
    [];
  if (map !== undefined && key !== undefined) {
    const strings = map === "Labels" ? values.labels : values.annotations;
    return Object.hasOwn(strings, key) ? strings[key] : undefined;
  }
  return expression === ".Name"
    ? values.name
    : expression === ".Namespace"
      ? values.namespace
      : undefined;
}
