/** Which service a request is for. Pure. */

export interface Routable {
  readonly name: string;
  readonly namespace: string;
  readonly modelName: string;
}

export type Route<T> = { readonly service: T } | { readonly status: 404; readonly message: string };

/**
 * By the Host header as in a cluster (`NAME.NAMESPACE.…` or `NAME-predictor.NAMESPACE.…`), else by the model that the path
 * names, else the only service there is.
 */
export function routeRequest<T extends Routable>(
  services: readonly T[],
  host: string | undefined,
  target: string,
): Route<T> {
  const [only, ...others] = services;
  if (only !== undefined && others.length === 0) {
    return { service: only };
  }
  const byHost = services.find((service) => isHostOf(service, host ?? ""));
  if (byHost !== undefined) {
    return { service: byHost };
  }
  const model = modelOf(target);
  if (model === undefined) {
    const message = `several models are served here; say which by /v2/models/NAME/… or the Host header: ${list(services)}`;
    return { status: 404, message };
  }
  const [named, ...namesakes] = services.filter((service) => service.modelName === model);
  if (named === undefined) {
    return {
      status: 404,
      message: `no model ${model} is served here; there are ${list(services)}`,
    };
  }
  if (namesakes.length > 0) {
    const message = `several models are called ${model}; say which by the Host header: ${list([named, ...namesakes])}`;
    return { status: 404, message };
  }
  return { service: named };
}

/** Two services that no request could tell apart: the message, else undefined. */
export function routingConflict(services: readonly Routable[]): string | undefined {
  const seen = new Set<string>();
  for (const { name, namespace } of services) {
    const key = `${namespace}/${name}`;
    if (seen.has(key)) {
      return `InferenceService ${key} is given twice`;
    }
    seen.add(key);
  }
  return undefined;
}

function isHostOf(service: Routable, host: string): boolean {
  const [name, namespace] = host.toLowerCase().replace(/:\d+$/, "").split(".");
  return (
    namespace === service.namespace &&
    (name === service.name || name === `${service.name}-predictor`)
  );
}

function modelOf(target: string): string | undefined {
  const encoded = /^\/v[12]\/models\/([^/:?#]+)/.exec(target)?.[1];
  if (encoded === undefined) {
    return undefined;
  }
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

function list(services: readonly Routable[]): string {
  return services.map((service) => `${service.name}.${service.namespace}`).join(", ");
}
