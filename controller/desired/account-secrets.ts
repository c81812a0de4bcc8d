/**
 * PURE: credentials as KServe's users give them: Secrets that the pods' service account lists, with
 * the store's endpoint in annotations of theirs. Source: kserve/kserve
 * pkg/credentials/service_account_credentials.go and pkg/credentials/s3/s3_secret.go.
 */
import type { InferenceService } from "../api/inferenceservice.gen.ts";
import { isOfKServe } from "../api/kserve.ts";
import { KSERVE } from "../api/names.ts";
import { modelOf } from "./framework.ts";
import { isStopped, storageSecret } from "./metadata.ts";
import { CREDENTIALS_DIR, CREDENTIALS_VOLUME, isDownloaded, type ModelMount } from "./storage.ts";
import type { Warning } from "./warning.ts";

/** A Secret of the service account's list. */
export interface ListedSecret {
  readonly name: string;
  /** Undefined where they may not be read. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** A service account, as much of it as counts here. */
export interface ServiceAccount {
  readonly metadata: { readonly name: string };
  readonly secrets?: readonly { readonly name?: string }[];
}

/**
 * The service account whose Secrets count for `isvc`; undefined where none do: in our own group,
 * where a Secret is named by the InferenceService, where it is stopped, and where nothing is
 * downloaded.
 */
export function credentialsAccount(isvc: InferenceService): string | undefined {
  const { predictor } = isvc.spec;
  const model = modelOf(predictor)?.model;
  const places = [
    model?.storageUri,
    ...(predictor.storageUris ?? []).map(({ uri }) => uri),
    ...(predictor.containers ?? []).flatMap(({ env = [] }) =>
      env.filter(({ name }) => name === "STORAGE_URI").map(({ value }) => value),
    ),
  ];
  const downloads = places.some((place) => place !== undefined && isDownloaded(place));
  const counts =
    isOfKServe(isvc) && !isStopped(isvc.metadata) && storageSecret(isvc.metadata) === undefined;
  return counts && downloads ? predictor.serviceAccountName || "default" : undefined;
}

/** The Secrets that somebody listed; those that Kubernetes and OpenShift make for it are none. */
export function listedSecrets({ metadata, secrets = [] }: ServiceAccount): readonly string[] {
  const made = ["token", "dockercfg"].map((kind) => `${metadata.name}-${kind}-`);
  return secrets
    .flatMap(({ name }) => name ?? [])
    .filter((name) => !made.some((start) => name.startsWith(start)));
}

type Named = {
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
};

/** The object by that name; one without a namespace is in that of whoever asks. */
export function findAmong<T extends Named>(
  objects: readonly T[],
  kind: string,
  namespace: string,
  name: string | undefined,
): T | undefined {
  return objects.find(
    ({ kind: its, metadata }) =>
      its === kind && metadata.name === name && (metadata.namespace ?? namespace) === namespace,
  );
}

/**
 * Those that count for `isvc`, of service accounts and Secrets that stand beside it; of a Secret that
 * doesn't, nobody knows the annotations.
 */
export function listedAmong(
  isvc: InferenceService,
  beside: readonly (Named & Pick<ServiceAccount, "secrets">)[],
): readonly ListedSecret[] {
  const { namespace = "" } = isvc.metadata;
  const account = findAmong(beside, "ServiceAccount", namespace, credentialsAccount(isvc));
  return (account === undefined ? [] : listedSecrets(account)).map((name) => {
    const secret = findAmong(beside, "Secret", namespace, name);
    return { name, annotations: secret && (secret.metadata.annotations ?? {}) };
  });
}

const PREFIX = `${KSERVE}/s3-`;

/** Their keys as files of one folder, and what their annotations say of S3 as variables. */
export function accountMount(secrets: readonly ListedSecret[]): ModelMount {
  if (secrets.length === 0) {
    return { env: {}, volumes: [], mounts: [] };
  }
  const env = Object.assign({}, ...secrets.map(({ annotations = {} }) => s3Variables(annotations)));
  return {
    env: { STORAGE_CREDENTIALS_DIR: CREDENTIALS_DIR, ...(env as Record<string, string>) },
    volumes: [
      {
        name: CREDENTIALS_VOLUME,
        // One that is not there counts for nothing, as in KServe.
        projected: { sources: secrets.map(({ name }) => ({ secret: { name, optional: true } })) },
      },
    ],
    mounts: [{ name: CREDENTIALS_VOLUME, mountPath: CREDENTIALS_DIR, readOnly: true }],
  };
}

function s3Variables(
  annotations: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const endpoint = annotations[`${PREFIX}endpoint`];
  const scheme = annotations[`${PREFIX}usehttps`] === "0" ? "http" : "https";
  const region = annotations[`${PREFIX}region`];
  const anonymous = annotations[`${PREFIX}useanoncredential`]?.toLowerCase();
  return {
    ...(endpoint ? { AWS_ENDPOINT_URL_S3: `${scheme}://${endpoint}` } : {}),
    ...(region ? { AWS_REGION: region } : {}),
    ...(anonymous === "true" || anonymous === "1" ? { S3_ANONYMOUS: "true" } : {}),
  };
}

/** What of them cannot be done, or is not known. */
export function accountWarnings(secrets: readonly ListedSecret[]): readonly Warning[] {
  return secrets.flatMap(({ name, annotations }) => {
    if (annotations === undefined) {
      const message = `the annotations of the Secret ${name}, which the service account lists, may not be read: an endpoint that they name is not used; set compatibility.readSecrets=true in the chart, or AWS_ENDPOINT_URL_S3 in model.env`;
      return [{ reason: "SecretNotReadable", message }];
    }
    const odd = ["verifyssl", "cabundle"].filter((each) => {
      const value = annotations[`${PREFIX}${each}`];
      return each === "verifyssl" ? value === "0" : value !== undefined && value !== "";
    });
    return odd.map((each) => ({
      reason: "AnnotationIgnored",
      message: `the annotation ${PREFIX}${each} of the Secret ${name} is not used: the store's certificate is checked; mount the authority's and name it in NODE_EXTRA_CA_CERTS (model.env)`,
    }));
  });
}
