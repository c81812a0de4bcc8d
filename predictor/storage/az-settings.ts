/**
 * Account, endpoint and credentials of Azure Blob Storage, by the variables of Azure's own tools.
 */
import type { Variables } from "./s3-settings.ts";
import { StorageError } from "./storage-error.ts";

export interface AzLocation {
  /** Of a https:// address; without it, AZURE_STORAGE_ACCOUNT. */
  readonly account: string | undefined;
  /** The service of the account, when the address names it. */
  readonly endpoint: URL | undefined;
  readonly container: string;
  readonly key: string;
  /** A shared access signature that the address carries. */
  readonly sas: string | undefined;
}

export type AzCredentials =
  | { readonly kind: "key"; readonly account: string; readonly key: Buffer }
  | { readonly kind: "sas"; readonly query: string }
  | {
      readonly kind: "identity";
      readonly tokenUrl: URL;
      readonly clientId: string;
      /** A token of the cluster; without it, the secret. */
      readonly tokenFile: string | undefined;
      readonly clientSecret: string | undefined;
    }
  | { readonly kind: "anonymous" };

export interface AzSettings {
  readonly endpoint: URL;
  readonly credentials: AzCredentials;
}

/**
 * Chooses: a signature of the address, a key, a signature, an identity, or none. Throws
 * StorageError.
 */
export function selectAzSettings(
  location: AzLocation,
  variables: Variables,
  shown: string,
): AzSettings {
  const account = location.account ?? variables["AZURE_STORAGE_ACCOUNT"];
  const given = variables["AZURE_STORAGE_BLOB_ENDPOINT"];
  if (given === undefined && account === undefined) {
    throw new StorageError(
      "misconfigured",
      `${shown}: which account? Set AZURE_STORAGE_ACCOUNT, or write ` +
        "https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH",
    );
  }
  const url = given ?? location.endpoint?.href ?? `https://${account}.blob.core.windows.net/`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new StorageError(
      "misconfigured",
      `${shown}: AZURE_STORAGE_BLOB_ENDPOINT is no http(s) URL`,
    );
  }
  const endpoint = new URL(url.endsWith("/") ? url : `${url}/`);
  return { endpoint, credentials: selectCredentials({ location, account, variables }) };
}

function selectCredentials(given: {
  readonly location: AzLocation;
  readonly account: string | undefined;
  readonly variables: Variables;
}): AzCredentials {
  const { location, account, variables } = given;
  if (location.sas !== undefined) return { kind: "sas", query: location.sas };
  const key = variables["AZURE_STORAGE_KEY"] ?? variables["AZURE_STORAGE_ACCESS_KEY"];
  if (key !== undefined && account !== undefined) {
    return { kind: "key", account, key: Buffer.from(key, "base64") };
  }
  const sas = variables["AZURE_STORAGE_SAS_TOKEN"];
  if (sas !== undefined) return { kind: "sas", query: sas.replace(/^\?/, "") };
  const clientId = variables["AZURE_CLIENT_ID"];
  const tenant = variables["AZURE_TENANT_ID"];
  const tokenFile = variables["AZURE_FEDERATED_TOKEN_FILE"];
  const clientSecret = variables["AZURE_CLIENT_SECRET"];
  if (clientId && tenant && (tokenFile || clientSecret)) {
    const authority = variables["AZURE_AUTHORITY_HOST"] ?? "https://login.microsoftonline.com/";
    const base = authority.endsWith("/") ? authority : `${authority}/`;
    const tokenUrl = new URL(`${encodeURIComponent(tenant)}/oauth2/v2.0/token`, base);
    return { kind: "identity", tokenUrl, clientId, tokenFile, clientSecret };
  }
  return { kind: "anonymous" };
}

/** A blob's address on Azure itself; undefined for any other https:// address. */
export function parseAzUrl(url: URL): AzLocation | undefined {
  const account = /^([a-z0-9]{3,24})\.blob\.core\.(windows\.net|chinacloudapi\.cn)$/.exec(
    url.hostname,
  )?.[1];
  const [container = "", ...segments] = decoded(url.pathname).slice(1).split("/");
  if (account === undefined || container === "") return undefined;
  const sas = url.searchParams.has("sig") ? url.search.slice(1) : undefined;
  return { account, endpoint: new URL(url.origin), container, key: segments.join("/"), sas };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // A stray % is legal in a URL.
    return path;
  }
}
