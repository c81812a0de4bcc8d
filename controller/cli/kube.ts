/** The cluster as commands see it: the one that kubectl would talk to, asked and not watched. */
import type { KubeConfig } from "@kubernetes/client-node";
import type { Kind, KubeObject } from "../cluster.ts";
import { credentialsOf, loadKubeConfig } from "../kube/credentials.ts";
import { ApiError, TransportError } from "../kube/errors.ts";
import { createHttp, type KubeHttp } from "../kube/http.ts";
import { collectionPath, objectPath } from "../kube/paths.ts";
import { readObject } from "../kube/read.ts";
import { VERSION } from "../version.ts";
import { CliError, EXIT } from "./command.ts";

/** kubectl's names for them; for commands that ask a cluster. */
export const CLUSTER_OPTIONS = {
  kubeconfig: { type: "string" },
  context: { type: "string" },
  namespace: { type: "string", short: "n" },
} as const;

/** Their lines of the help, to be put under a command's own. */
export const CLUSTER_HELP = `  -n, --namespace NAME         namespace (the kubeconfig's, else default)
      --kubeconfig FILE        kubeconfig (KUBECONFIG, else ~/.kube/config)
      --context NAME           context of the kubeconfig (the current one)
`;

export interface ClusterFlags {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
}

export interface KubeAccess {
  /** The namespace that was asked for, or the context's. */
  readonly namespace: string;
  readonly http: KubeHttp;
  /** Undefined when there is none. */
  get<T extends KubeObject>(kind: Kind, namespace: string, name: string): Promise<T | undefined>;
  /** In all namespaces when `namespace` is undefined. */
  list<T extends KubeObject>(
    kind: Kind,
    namespace?: string,
    labelSelector?: string,
  ): Promise<readonly T[]>;
}

/**
 * Gives `work` a connection to the cluster of the flags and closes it afterwards.
 * @throws CliError 66 without a kubeconfig, 64 for a context that it has not, 69 when the API
 * server does not answer or is overloaded, 77 when it denies what was asked, 1 when it refuses it.
 */
export async function withKube<T>(
  flags: ClusterFlags,
  work: (kube: KubeAccess) => Promise<T>,
): Promise<T> {
  const config = configOf(flags);
  const http = createHttp({
    credentials: credentialsOf(config),
    userAgent: `pilotlight-cli/${VERSION}`,
  });
  const context = config.getContextObject(config.currentContext);
  try {
    return await work({
      namespace: flags.namespace ?? context?.namespace ?? "default",
      http,
      get: <O extends KubeObject>(kind: Kind, namespace: string, name: string) =>
        readObject<O>(http, objectPath(kind, namespace, name)),
      list: async <O extends KubeObject>(
        kind: Kind,
        namespace?: string,
        labelSelector?: string,
      ) => {
        const path = collectionPath(kind, namespace);
        const { items } = await http.json<{ items: readonly O[] }>({
          method: "GET",
          path,
          ...(labelSelector === undefined ? {} : { query: { labelSelector } }),
        });
        // A list leaves out what all of its items have in common.
        return items.map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind }));
      },
    });
  } catch (error) {
    throw explained(error, config);
  } finally {
    await http.close();
  }
}

function configOf({ kubeconfig, context }: ClusterFlags): KubeConfig {
  let config: KubeConfig;
  try {
    config = loadKubeConfig(kubeconfig);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.noInput, `cannot read the kubeconfig: ${why}`, error);
  }
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(context)) {
      throw new CliError(
        EXIT.usage,
        `the kubeconfig has no context "${context}"; it has ${known.join(", ") || "none"}`,
      );
    }
    config.setCurrentContext(context);
  }
  if (config.getCurrentCluster() === null) {
    throw new CliError(
      EXIT.noInput,
      `no cluster to ask: the kubeconfig has no current context; give one with --context or --kubeconfig`,
    );
  }
  return config;
}

function explained(error: unknown, config: KubeConfig): unknown {
  const server = config.getCurrentCluster()?.server ?? "";
  if (error instanceof TransportError) {
    return new CliError(EXIT.unavailable, `no answer from ${server}: ${error.message}`, error);
  }
  if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
    return new CliError(EXIT.noPermission, `${server} denies it: ${error.message}`, error);
  }
  if (error instanceof ApiError) {
    const busy = error.status >= 500 || error.status === 429;
    return busy
      ? new CliError(EXIT.unavailable, `${server} cannot do it now: ${error.message}`, error)
      : new CliError(EXIT.no, `${server} refuses it: ${error.message}`, error);
  }
  return error;
}
