/**
 * KServe's way to say where a model is: a key of the Secret `storage-config` with the store's
 * address and credentials as JSON, a path, and values that win over the Secret's
 * (python/storage of kserve: STORAGE_CONFIG, STORAGE_OVERRIDE_CONFIG). It becomes the URI and the
 * variables that everything else here reads.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** What is wrong with it, for whoever reports all mistakes at once. */
export class StorageConfigError extends Error {
  override readonly name = "StorageConfigError";
}

/** Field of the JSON → our variable. */
const VARIABLES: Readonly<Record<string, string>> = {
  access_key_id: "AWS_ACCESS_KEY_ID",
  secret_access_key: "AWS_SECRET_ACCESS_KEY",
  session_token: "AWS_SESSION_TOKEN",
  endpoint_url: "AWS_ENDPOINT_URL_S3",
  region: "AWS_REGION",
  default_region: "AWS_REGION",
};

/**
 * `environment` with STORAGE_URI and AWS_* from STORAGE_CONFIG and the like; as it is when there is
 * none of them. Variables that are set already win.
 * @throws StorageConfigError when the JSON is none, or says too little.
 */
export function withStorageConfig(environment: Environment): Environment {
  const { STORAGE_CONFIG, STORAGE_OVERRIDE_CONFIG, STORAGE_PATH } = environment;
  if (STORAGE_CONFIG === undefined && STORAGE_OVERRIDE_CONFIG === undefined) {
    return environment;
  }
  const config = {
    ...parseObject(STORAGE_CONFIG, "STORAGE_CONFIG"),
    ...parseObject(STORAGE_OVERRIDE_CONFIG, "STORAGE_OVERRIDE_CONFIG"),
  };
  const { type = "s3", bucket } = config;
  if (type !== "s3") {
    throw new StorageConfigError(
      `STORAGE_CONFIG has the type "${type}"; s3 is what can be read so: use storageUri for other stores`,
    );
  }
  if (bucket === undefined || bucket === "") {
    throw new StorageConfigError(
      "STORAGE_CONFIG names no bucket: put it into the Secret storage-config, or into model.storage.parameters",
    );
  }
  const path = (STORAGE_PATH ?? "").replace(/^\/+/, "");
  const named = Object.entries(VARIABLES).flatMap(([field, variable]) =>
    config[field] === undefined ? [] : [[variable, config[field]] as const],
  );
  const anonymous = config["anonymous"]?.toLowerCase() === "true" ? { S3_ANONYMOUS: "true" } : {};
  return {
    STORAGE_URI: `s3://${bucket}/${path}`,
    ...Object.fromEntries(named),
    ...anonymous,
    ...Object.fromEntries(
      Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""),
    ),
  };
}

function parseObject(text: string | undefined, name: string): Readonly<Record<string, string>> {
  if (text === undefined || text.trim() === "") {
    return {};
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new StorageConfigError(
      `${name} must be a JSON object like {"type": "s3", "bucket": "models"}`,
    );
  }
  return Object.fromEntries(Object.entries(value).map(([key, found]) => [key, String(found)]));
}
