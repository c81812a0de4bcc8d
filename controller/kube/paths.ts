import type { Kind, KubeObject } from "../cluster.ts";

/** REST path of a collection: all namespaces when `namespace` is absent. */
export function collectionPath(kind: Kind, namespace?: string): string {
  const root = kind.apiVersion.includes("/") ? "/apis" : "/api";
  const scope = kind.namespaced && namespace !== undefined ? `/namespaces/${part(namespace)}` : "";
  return `${root}/${kind.apiVersion}${scope}/${kind.plural}`;
}

/** REST path of one object, or of its subresource. */
export function objectPath(kind: Kind, namespace: string, name: string, sub?: string): string {
  const base = `${collectionPath(kind, kind.namespaced ? namespace : undefined)}/${part(name)}`;
  return sub === undefined ? base : `${base}/${sub}`;
}

/**
 * Names cannot hold slashes on a real server; encoding keeps a hostile one from reaching another
 * path.
 */
function part(text: string): string {
  if (text === "" || text === "." || text === "..") {
    throw new TypeError(
      `"${text}" is no name or namespace: a path of the API cannot be made of it`,
    );
  }
  return encodeURIComponent(text);
}

/** `namespace/name`, or `name` alone for what has no namespace. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}
