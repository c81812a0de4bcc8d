/**
 * Who we are to the API server, read anew for each call so that rotated tokens, certificates and
 * CAs are seen (F26). @kubernetes/client-node is used for this alone: kubeconfig, in-cluster files,
 * exec plugins, OIDC.
 */
import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";

export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface Credentials {
  /** Origin and, behind some gateways, a path prefix. */
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  readonly proxyUrl?: string;
}

export type CredentialsSource = () => Promise<Credentials>;

/**
 * Where a kubeconfig is: `file`, else KUBECONFIG, ~/.kube/config or the pod's service account, as
 * kubectl has it.
 */
export function loadKubeConfig(file?: string): KubeConfig {
  const config = new KubeConfig();
  if (file === undefined) config.loadFromDefault();
  else config.loadFromFile(file);
  return config;
}

/**
 * Reads what one call needs from the current context. Rejects when an exec plugin, a token file or
 * a CA file fails.
 */
export function credentialsOf(config: KubeConfig): CredentialsSource {
  return async () => {
    const cluster = config.getCurrentCluster();
    if (cluster === null) {
      throw new Error(
        `the kubeconfig names no cluster for the context "${config.currentContext}": set current-context`,
      );
    }
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    return {
      server: new URL(cluster.server),
      headers: headersOf(options),
      tls: tlsOf(options),
      ...(cluster.proxyUrl === undefined ? {} : { proxyUrl: cluster.proxyUrl }),
    };
  };
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  if (typeof options.auth === "string") {
    headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  }
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value !== undefined) headers[name.toLowerCase()] = String(value).trim();
  }
  return headers;
}

function tlsOf(options: RequestOptions): TlsMaterial {
  return {
    ...(options.ca === undefined ? {} : { ca: textOf(options.ca) }),
    ...(options.cert === undefined ? {} : { cert: textOf(options.cert) }),
    ...(options.key === undefined ? {} : { key: textOf(options.key) }),
    ...(options.servername === undefined ? {} : { servername: options.servername }),
    ...(options.rejectUnauthorized === undefined
      ? {}
      : { rejectUnauthorized: options.rejectUnauthorized }),
  };
}

/** PEM comes as text from exec plugins and as bytes from files. */
function textOf(pem: unknown): string {
  if (typeof pem === "string") return pem;
  if (Buffer.isBuffer(pem)) return pem.toString("utf8");
  throw new TypeError("a certificate or key of the kubeconfig is neither text nor bytes");
}
