/** The environment of a predictor process: docs/runtime-contract.md, filled in. Pure. */
import type { ServicePlan } from "./plan.ts";

export interface ProcessPlace {
  readonly port: number;
  /** Where a downloaded model goes; of this process alone, like a pod's. */
  readonly modelDir: string;
  readonly terminationLog: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What a predictor gets of this program's own environment. A list, not everything: a manifest that
 * works here must not owe it to a variable that happened to be set. First what every program has,
 * then the stores' addresses and credentials (AWS_* beside them), then what tunes the machine.
 */
const INHERITED: ReadonlySet<string> = new Set(
  (
    "PATH HOME USER TMPDIR LANG LC_ALL TZ LD_LIBRARY_PATH NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR " +
    "HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy " +
    "S3_ANONYMOUS STORAGE_CREDENTIALS_DIR " +
    "GOOGLE_APPLICATION_CREDENTIALS GS_ANONYMOUS STORAGE_EMULATOR_HOST GCE_METADATA_HOST " +
    "AZURE_STORAGE_ACCOUNT AZURE_STORAGE_KEY AZURE_STORAGE_ACCESS_KEY AZURE_STORAGE_SAS_TOKEN " +
    "AZURE_STORAGE_BLOB_ENDPOINT AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_FEDERATED_TOKEN_FILE " +
    "AZURE_CLIENT_SECRET AZURE_AUTHORITY_HOST HF_TOKEN HF_ENDPOINT DOCKER_CONFIG " +
    "ALLOW_PRIVATE_NETWORKS ALLOWED_PORTS ALLOWED_HOSTS DENIED_HOSTS " +
    "LOG_LEVEL INTRA_OP_NUM_THREADS QUEUE_DEPTH_MAX BODY_BYTES_MAX MODEL_BYTES_MAX " +
    // Where a cluster has an image with a handler in it, this machine has a file.
    "HANDLER HANDLERS_ALLOWED HANDLER_TIMEOUT_SECONDS"
  ).split(" "),
);

/** Environment of one process of `plan`; what the manifest says wins over what is inherited, the contract over both. */
export function predictorEnvironment(
  plan: ServicePlan,
  place: ProcessPlace,
  inherited: Environment,
): Readonly<Record<string, string>> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited)) {
    if (value !== undefined && (INHERITED.has(name) || name.startsWith("AWS_"))) {
      passed[name] = value;
    }
  }
  return {
    ...passed,
    ...plan.env,
    PORT: String(place.port),
    HOST: "127.0.0.1",
    MODEL_NAME: plan.modelName,
    STORAGE_URI: plan.storageUri,
    MODEL_DIR: place.modelDir,
    CONTAINER_CONCURRENCY: String(plan.containerConcurrency),
    REQUEST_TIMEOUT_SECONDS: String(plan.timeoutSeconds),
    TERMINATION_LOG: place.terminationLog,
    // Standard input is a pipe from this program: its end tells the predictor that nobody is left
    // to serve.
    PARENT_LIVENESS: "stdin",
  };
}
