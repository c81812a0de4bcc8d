import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { StorageError } from "./storage-error.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

/** Signed requests need these; `source` says in messages where they came from. */
export interface S3Keys {
  readonly kind: "keys";
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly source: string;
}

/** A token of the cluster that a security token service exchanges for keys (IRSA). */
export interface WebIdentity {
  readonly kind: "web-identity";
  readonly tokenFile: string;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly endpoint: URL;
}

export type Credentials = S3Keys | WebIdentity | { readonly kind: "anonymous" };

export interface S3Settings {
  /** Undefined means AWS. */
  readonly endpoint: URL | undefined;
  readonly region: string;
  readonly credentials: Credentials;
}

const VARIABLES = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_ENDPOINT_URL_S3",
  "AWS_ENDPOINT_URL",
  "AWS_ENDPOINT_URL_STS",
  "AWS_REGION",
  "AWS_DEFAULT_REGION",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "S3_ANONYMOUS",
] as const;

/** KServe's names of the keys in a Secret, so that its Secrets can be mounted as they are. */
const ALIASES = new Map([
  ["AWS_ACCESS_KEY_ID", "awsAccessKeyID"],
  ["AWS_SECRET_ACCESS_KEY", "awsSecretAccessKey"],
]);

/** The variables of a mounted Secret: files of their names. An absent file is an unset variable. */
export async function readSecretFolder(folder: string): Promise<Variables> {
  const found: Record<string, string> = {};
  for (const name of VARIABLES) {
    const alias = ALIASES.get(name);
    const text =
      (await readIfThere(join(folder, name))) ??
      (alias === undefined ? undefined : await readIfThere(join(folder, alias)));
    if (text !== undefined) found[name] = text.trim();
  }
  if (Object.keys(found).length > 0) return found;
  throw new StorageError(
    "access-denied",
    `AWS_CREDENTIALS_DIR ${folder}: holds no AWS_ACCESS_KEY_ID; ` +
      "mount the Secret there, its keys named like the variables",
  );
}

/**
 * Chooses endpoint, region and credentials: the environment before the mounted Secret, keys before
 * web identity. Keys are never mixed from two sources. Throws StorageError when there is nothing
 * to sign with and S3_ANONYMOUS is not true.
 */
export function selectS3Settings(
  environment: Variables,
  secret: Variables,
  shown: string,
): S3Settings {
  const value = overlay(environment, secret);
  const region = value("AWS_REGION") ?? value("AWS_DEFAULT_REGION") ?? "us-east-1";
  if (!/^[A-Za-z0-9-]{1,64}$/.test(region)) {
    throw new StorageError("misconfigured", `${shown}: AWS_REGION ${region} is no region`);
  }
  const endpointName = value("AWS_ENDPOINT_URL_S3") ? "AWS_ENDPOINT_URL_S3" : "AWS_ENDPOINT_URL";
  const endpoint = parseEndpoint(value(endpointName), endpointName, shown);
  if (value("S3_ANONYMOUS") === "true") {
    return { endpoint, region, credentials: { kind: "anonymous" } };
  }
  const credentials =
    selectKeys(environment, "the environment", shown) ??
    selectKeys(secret, "the Secret at AWS_CREDENTIALS_DIR", shown) ??
    selectWebIdentity(value, region, shown);
  if (credentials !== undefined) return { endpoint, region, credentials };
  throw new StorageError(
    "access-denied",
    `${shown}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from a Secret, ` +
      "use a service account with web identity, or S3_ANONYMOUS=true for a public bucket",
  );
}

type Lookup = (name: string) => string | undefined;

/** An empty variable counts as unset: that is what an optional Secret key becomes. */
function overlay(environment: Variables, secret: Variables): Lookup {
  return (name) => environment[name] || secret[name] || undefined;
}

function selectWebIdentity(value: Lookup, region: string, shown: string): WebIdentity | undefined {
  const tokenFile = value("AWS_WEB_IDENTITY_TOKEN_FILE");
  const roleArn = value("AWS_ROLE_ARN");
  if (tokenFile === undefined || roleArn === undefined) return undefined;
  const sts = parseEndpoint(value("AWS_ENDPOINT_URL_STS"), "AWS_ENDPOINT_URL_STS", shown);
  return {
    kind: "web-identity",
    tokenFile,
    roleArn,
    sessionName: value("AWS_ROLE_SESSION_NAME") ?? "pilotlight",
    endpoint: sts ?? new URL(`https://sts.${region}.${awsDomain(region)}/`),
  };
}

/** AWS' second-level domain of a region. */
export function awsDomain(region: string): string {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

function selectKeys(variables: Variables, source: string, shown: string): S3Keys | undefined {
  const accessKeyId = variables["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = variables["AWS_SECRET_ACCESS_KEY"];
  if (!accessKeyId && !secretAccessKey) return undefined;
  if (!accessKeyId || !secretAccessKey) {
    const missing = accessKeyId ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID";
    throw new StorageError("access-denied", `${shown}: ${missing} is missing in ${source}; add it`);
  }
  const sessionToken = variables["AWS_SESSION_TOKEN"] || undefined;
  return { kind: "keys", accessKeyId, secretAccessKey, sessionToken, source };
}

function parseEndpoint(text: string | undefined, name: string, shown: string): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // http:// is let through here: whoever sets an endpoint names a server inside of the cluster.
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new StorageError("misconfigured", `${shown}: ${name} is no http(s) URL`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "") {
    throw new StorageError("misconfigured", `${shown}: ${name} may hold no user name and no query`);
  }
  return url;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new StorageError("access-denied", `AWS_CREDENTIALS_DIR: ${String(cause)}`, { cause });
  }
}
