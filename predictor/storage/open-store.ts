/** From a location to its object store. Only the code of that one store is loaded. */
import { readCredentials } from "./credentials.ts";
import type { ObjectStore } from "./object-store.ts";
import type { FetchContext } from "./origin.ts";
import type { Variables } from "./s3-settings.ts";
import { StorageError } from "./storage-error.ts";
import type { StorageLocation } from "./uri.ts";

/** A location that can be listed. */
export type StoreLocation = Extract<StorageLocation, { scheme: "s3" | "gs" | "az" | "hf" }>;

/** The store, with the credentials of the environment. Rejects with StorageError. */
export async function openStore(
  location: StoreLocation,
  environment: Variables,
  { http, shown }: FetchContext,
): Promise<ObjectStore> {
  if (location.scheme === "s3") {
    const { readSecretFolder, selectS3Settings } = await import("./s3-settings.ts");
    const { createS3Client } = await import("./s3-client.ts");
    const { s3Store } = await import("./s3-origin.ts");
    const folder = environment["STORAGE_CREDENTIALS_DIR"] || environment["AWS_CREDENTIALS_DIR"];
    const secret = folder ? await readSecretFolder(folder) : {};
    const client = createS3Client(selectS3Settings(environment, secret, shown), http);
    return s3Store(location.bucket, client);
  }
  const variables = await readCredentials(environment);
  if (location.scheme === "gs") {
    const { gsStore, parseGsEndpoint } = await import("./gs-store.ts");
    const { selectGsCredentials } = await import("./gs-credentials.ts");
    const endpoint = parseGsEndpoint(variables["STORAGE_EMULATOR_HOST"], shown);
    return gsStore(
      location.bucket,
      { endpoint, credentials: await selectGsCredentials(variables) },
      http,
    );
  }
  if (location.scheme === "az") {
    const { azStore } = await import("./az-store.ts");
    const { selectAzSettings } = await import("./az-settings.ts");
    return azStore(location.container, selectAzSettings(location, variables, shown), http);
  }
  const { hfStore } = await import("./hf-store.ts");
  const endpoint = variables["HF_ENDPOINT"] ?? "https://huggingface.co/";
  if (!URL.canParse(endpoint)) {
    throw new StorageError("misconfigured", `${shown}: HF_ENDPOINT is no URL`);
  }
  const base = new URL(endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  return hfStore(location, { endpoint: base, token: variables["HF_TOKEN"] }, http);
}
