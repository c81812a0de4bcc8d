/**
 * Host names of a Knative Service, by the cluster's templates (knative.dev/networking pkg/config,
 * domain-template and tag-template). A label over 63 characters is refused by DNS and by the
 * ingress: the route never becomes ready (kserve/kserve#4807).
 */

const LABEL_LENGTH_MAX = 63;
/** Stands for the cluster's domain, which config-network does not say; a short one. */
const DOMAIN = "example.com";

export interface Host {
  readonly name: string;
  readonly namespace: string;
  readonly tag?: string;
}

export interface HostTemplates {
  readonly domainTemplate: string;
  readonly tagTemplate: string;
}

/**
 * The host name, or undefined when a template does more than name fields: Go's functions are not
 * followed here, and what is not known refuses nothing.
 */
export function hostName(host: Host, templates: HostTemplates): string | undefined {
  const name =
    host.tag === undefined
      ? host.name
      : fill(templates.tagTemplate, { Tag: host.tag, Name: host.name });
  return name === undefined
    ? undefined
    : fill(templates.domainTemplate, { Name: name, Namespace: host.namespace, Domain: DOMAIN });
}

/** The first label of `host` that is too long, or undefined. */
export function longLabel(host: string): string | undefined {
  return host.split(".").find((label) => label.length > LABEL_LENGTH_MAX);
}

function fill(template: string, fields: Readonly<Record<string, string>>): string | undefined {
  let known = true;
  const text = template.replaceAll(/\{\{-?\s*(.*?)\s*-?\}\}/g, (_, expression: string) => {
    const value = expression.startsWith(".") ? fields[expression.slice(1)] : undefined;
    known &&= value !== undefined;
    return value ?? "";
  });
  return known ? text : undefined;
}
