/** storageUri → how the model gets into the container. */
import type { EnvVar, PredictorSpec, StorageSpec } from "../api/inferenceservice.gen.ts";
import type { KnativeServiceContainer, KnativeServiceVolume } from "../api/knative-service.gen.ts";
import { MODEL_DIR } from "../api/names.ts";
import type { Refusal } from "./refusal.ts";

export interface ModelMount {
  readonly env: Readonly<Record<string, string>>;
  /** Variables whose value is a Secret's. */
  readonly secretEnv?: readonly EnvVar[];
  readonly volumes: readonly KnativeServiceVolume[];
  readonly mounts: NonNullable<KnativeServiceContainer["volumeMounts"]>;
}

const VOLUME = "model";
export const CREDENTIALS_VOLUME = "storage-credentials";
export const CREDENTIALS_DIR = "/var/run/secrets/pilotlight/storage";

/**
 * A claim is mounted; what must be downloaded gets a place to be put (the root file system is read-
 * only); what lies in the image needs nothing. The predictor itself downloads: an init container
 * would need a Knative feature that is off by default.
 */
export function modelMount(
  storageUri: string | undefined,
  modelDir: string = MODEL_DIR,
): ModelMount {
  const env = {
    ...(storageUri === undefined ? {} : { STORAGE_URI: storageUri }),
    ...(modelDir === MODEL_DIR ? {} : { MODEL_DIR: modelDir }),
  };
  const claim = storageUri === undefined ? undefined : parseClaim(storageUri);
  if (claim !== undefined) {
    return {
      env,
      volumes: [{ name: VOLUME, persistentVolumeClaim: { claimName: claim.name, readOnly: true } }],
      mounts: [
        {
          name: VOLUME,
          mountPath: modelDir,
          readOnly: true,
          ...(claim.path === "" ? {} : { subPath: claim.path }),
        },
      ],
    };
  }
  if (storageUri !== undefined && isDownloaded(storageUri)) {
    return {
      env,
      volumes: [{ name: VOLUME, emptyDir: {} }],
      mounts: [{ name: VOLUME, mountPath: modelDir }],
    };
  }
  return { env, volumes: [], mounts: [] };
}

/** Whether it names a place that the predictor downloads from (docs/storage.md). */
export function isDownloaded(storageUri: string): boolean {
  return /^(s3|gs|az|https|hf|oci):\/\/[^/\s]+/.test(storageUri);
}

/** A place of spec.predictor.storageUris. */
export type Place = NonNullable<PredictorSpec["storageUris"]>[number];

/**
 * Several places: one is downloaded, by the predictor itself, and the model's folder is where it
 * lies; claims are mounted, as many as there are. Without a download the first claim has the model.
 */
export function placesMount(places: readonly Place[], path: string): ModelMount | Refusal {
  const downloads = places.filter(({ uri }) => parseClaim(uri) === undefined);
  const folders = places.map(folderOf);
  const odd = folders.findIndex((folder) => folder.split("/").includes(".."));
  if (odd >= 0) {
    return {
      reason: "InvalidSpec",
      message: `${path}[${odd}].mountPath must not contain '..'`,
    };
  }
  if (downloads.length > 1) {
    return {
      reason: "FieldNotSupported",
      message: `${path} names ${downloads.length} places to download from, and the predictor downloads one; put them under one prefix, or the others on claims (pvc://)`,
    };
  }
  if (new Set(folders).size < folders.length) {
    return {
      reason: "InvalidSpec",
      message: `${path} has two places with one mountPath; each needs its own`,
    };
  }
  const main = downloads[0] ?? places[0];
  const others = places.filter((place) => place !== main);
  return mergeMounts(
    modelMount(main?.uri, main === undefined ? MODEL_DIR : folderOf(main)),
    ...others.map((place, at) =>
      renamed(modelMount(place.uri, folderOf(place)), `${VOLUME}-${at + 1}`),
    ),
  );
}

/** Without slashes at its end, so that the same folder has one name. */
function folderOf({ mountPath = MODEL_DIR }: Place): string {
  return mountPath.replace(/(.)\/+$/, "$1");
}

/** A further volume, which says nothing about where the model is. */
function renamed({ volumes, mounts }: ModelMount, name: string): ModelMount {
  return {
    env: {},
    volumes: volumes.map((volume) => ({ ...volume, name })),
    mounts: mounts.map((mount) => ({ ...mount, name })),
  };
}

/** KServe's Secret of model stores; its keys are stores, their values JSON. */
const STORAGE_CONFIG_SECRET = "storage-config";

/** model.storage: the predictor makes the URI of it, since only it may read the Secret. */
export function storageMount(storage: StorageSpec): ModelMount {
  const { parameters, path } = storage;
  const type = parameters?.["type"];
  const key = storage.key ?? (type === undefined ? "default" : `default_${type}`);
  // Parameters may say all there is to know: only a key that is named must exist.
  const optional = storage.key === undefined && parameters !== undefined;
  const secretKeyRef = {
    name: STORAGE_CONFIG_SECRET,
    key,
    ...(optional ? { optional: true } : {}),
  };
  return {
    env: {
      ...(parameters === undefined ? {} : { STORAGE_OVERRIDE_CONFIG: JSON.stringify(parameters) }),
      ...(path === undefined ? {} : { STORAGE_PATH: path }),
    },
    secretEnv: [{ name: "STORAGE_CONFIG", valueFrom: { secretKeyRef } }],
    volumes: [{ name: VOLUME, emptyDir: {} }],
    mounts: [{ name: VOLUME, mountPath: MODEL_DIR }],
  };
}

/**
 * A Secret with the keys of the model store, as a folder: unlike environment variables it follows a
 * rotation without a new revision. The controller never reads it, so it needs no right to.
 */
export function credentialsMount(secretName: string | undefined): ModelMount {
  if (secretName === undefined || secretName === "") {
    return { env: {}, volumes: [], mounts: [] };
  }
  return {
    env: { AWS_CREDENTIALS_DIR: CREDENTIALS_DIR },
    volumes: [{ name: CREDENTIALS_VOLUME, secret: { secretName } }],
    mounts: [{ name: CREDENTIALS_VOLUME, mountPath: CREDENTIALS_DIR, readOnly: true }],
  };
}

/** Both mounts as one. */
export function mergeMounts(...mounts: readonly ModelMount[]): ModelMount {
  return {
    env: Object.assign({}, ...mounts.map((mount) => mount.env)) as Record<string, string>,
    secretEnv: mounts.flatMap((mount) => mount.secretEnv ?? []),
    volumes: mounts.flatMap((mount) => mount.volumes),
    mounts: mounts.flatMap((mount) => mount.mounts),
  };
}

/**
 * pvc://claim/some/path → its parts, slashes at the ends of the path dropped; undefined for another
 * scheme.
 */
function parseClaim(storageUri: string): { name: string; path: string } | undefined {
  const match = /^pvc:\/\/([^/]+)\/?(.*)$/.exec(storageUri);
  return match?.[1] === undefined
    ? undefined
    : { name: match[1], path: (match[2] ?? "").replace(/^\/+|\/+$/g, "") };
}
