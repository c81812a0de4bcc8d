/** storageUri → how the model gets into the container. */
import type { KnativeServiceContainer, KnativeServiceVolume } from "../api/knative-service.gen.ts";
import { MODEL_DIR } from "../api/names.ts";

export interface ModelMount {
  readonly env: Readonly<Record<string, string>>;
  readonly volumes: readonly KnativeServiceVolume[];
  readonly mounts: NonNullable<KnativeServiceContainer["volumeMounts"]>;
}

const VOLUME = "model";
const CREDENTIALS_VOLUME = "storage-credentials";
const CREDENTIALS_DIR = "/var/run/secrets/pilotlight/storage";

/**
 * A claim is mounted; what must be downloaded gets a place to be put (the root file system is read-
 * only); what lies in the image needs nothing. The predictor itself downloads: an init container
 * would need a Knative feature that is off by default.
 */
export function modelMount(storageUri: string | undefined): ModelMount {
  const env = storageUri === undefined ? {} : { STORAGE_URI: storageUri };
  const claim = storageUri === undefined ? undefined : parseClaim(storageUri);
  if (claim !== undefined) {
    return {
      env,
      volumes: [{ name: VOLUME, persistentVolumeClaim: { claimName: claim.name, readOnly: true } }],
      mounts: [
        {
          name: VOLUME,
          mountPath: MODEL_DIR,
          readOnly: true,
          ...(claim.path === "" ? {} : { subPath: claim.path }),
        },
      ],
    };
  }
  if (storageUri !== undefined && /^(s3|https):\/\//.test(storageUri)) {
    return {
      env,
      volumes: [{ name: VOLUME, emptyDir: {} }],
      mounts: [{ name: VOLUME, mountPath: MODEL_DIR }],
    };
  }
  return { env, volumes: [], mounts: [] };
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
