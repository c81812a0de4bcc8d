/**
 * A small client for tests: reads and writes of any kind, and waits that ask until the answer is
 * right.
 */
import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import type { Kind, KubeObject } from "../../controller/cluster.ts";
import { credentialsOf, loadKubeConfig } from "../../controller/kube/credentials.ts";
import { isNotFound } from "../../controller/kube/errors.ts";
import { createHttp, type KubeHttp } from "../../controller/kube/http.ts";
import { collectionPath, objectPath } from "../../controller/kube/paths.ts";
import { waitFor } from "../../hack/cluster/wait.ts";

export interface Kube {
  readonly http: KubeHttp;
  get<T extends KubeObject>(kind: Kind, namespace: string, name: string): Promise<T | undefined>;
  list<T extends KubeObject>(kind: Kind, namespace: string): Promise<readonly T[]>;
  /** Server-side apply as the user of the tests; `subresource` for status. */
  apply<T extends KubeObject>(kind: Kind, object: KubeObject, subresource?: "status"): Promise<T>;
  remove(kind: Kind, namespace: string, name: string): Promise<void>;
  /** Asks for the object until `answer` is not undefined, and gives that. */
  until<A>(what: string, probe: () => Promise<A | undefined>, timeoutMs?: number): Promise<A>;
  close(): Promise<void>;
}

export const CRD: Kind = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
export const NAMESPACE: Kind = {
  apiVersion: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};

const TIMEOUT_MS = 60_000;

export function kube(kubeconfig: string): Kube {
  const http = createHttp({
    credentials: credentialsOf(loadKubeConfig(kubeconfig)),
    userAgent: "pilotlight-test",
  });
  return {
    http,
    get: async <T extends KubeObject>(kind: Kind, namespace: string, name: string) => {
      try {
        return await http.json<T>({ method: "GET", path: objectPath(kind, namespace, name) });
      } catch (error) {
        if (isNotFound(error)) {
          return undefined;
        }
        throw error;
      }
    },
    list: async <T extends KubeObject>(kind: Kind, namespace: string) => {
      const path = collectionPath(kind, kind.namespaced ? namespace : undefined);
      return (await http.json<{ items: readonly T[] }>({ method: "GET", path })).items;
    },
    apply: <T extends KubeObject>(kind: Kind, object: KubeObject, subresource?: "status") =>
      http.json<T>({
        method: "PATCH",
        path: objectPath(kind, object.metadata.namespace ?? "", object.metadata.name, subresource),
        query: { fieldManager: "test", force: true },
        contentType: "application/apply-patch+yaml",
        body: object,
      }),
    remove: async (kind, namespace, name) => {
      try {
        await http.json({ method: "DELETE", path: objectPath(kind, namespace, name) });
      } catch (error) {
        if (!isNotFound(error)) {
          throw error;
        }
      }
    },
    until: (what, probe, timeoutMs = TIMEOUT_MS) => waitFor(what, probe, { timeoutMs }),
    close: () => http.close(),
  };
}

/** The objects of a file of YAML documents. */
export async function readObjects(path: string): Promise<readonly KubeObject[]> {
  const documents = parseAllDocuments(await readFile(path, "utf8"));
  return documents
    .map((document) => document.toJS({ maxAliasCount: -1 }) as KubeObject | null)
    .filter((object) => object !== null);
}
