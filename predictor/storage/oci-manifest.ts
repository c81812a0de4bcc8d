/** PURE: what an OCI manifest says about files. */
import { fieldsOf, listOf, textOf } from "./json.ts";
import { StorageError } from "./storage-error.ts";

export interface OciLayer {
  readonly digest: string;
  readonly bytes: number;
  /** A file of this name; without it, an archive of files. */
  readonly file: string | undefined;
}

export interface OciManifest {
  readonly layers: readonly OciLayer[];
  /** A container image: the models are in its folder /models, the rest is of no interest. */
  readonly image: boolean;
}

const LAYERS_MAX = 1000;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** The name of a layer's file: ORAS' annotation, and that of the CNCF ModelPack. */
const TITLES = ["org.opencontainers.image.title", "org.cncf.model.filepath"];
const IMAGE_CONFIGS = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** The manifest of this platform in an index; undefined when it is no index. */
export function selectManifest(
  document: unknown,
  architecture: string,
  shown: string,
): string | undefined {
  const manifests = fieldsOf(document)["manifests"];
  if (manifests === undefined) return undefined;
  const wanted = listOf(manifests).find((each) => {
    const platform = fieldsOf(fieldsOf(each)["platform"]);
    const own = platform["os"] === "linux" && platform["architecture"] === architecture;
    return own || platform["os"] === undefined;
  });
  const digest = textOf(fieldsOf(wanted)["digest"]);
  if (digest !== undefined && DIGEST.test(digest)) return digest;
  const what = `${shown}: holds nothing for linux/${architecture}; push it for this platform`;
  throw new StorageError("not-found", what);
}

/** The layers of a manifest. Throws StorageError "invalid" for what is none. */
export function parseManifest(document: unknown, shown: string): OciManifest {
  const fields = fieldsOf(document);
  const image = IMAGE_CONFIGS.has(textOf(fieldsOf(fields["config"])["mediaType"]) ?? "");
  const layers = listOf(fields["layers"]).map((layer) => parseLayer(layer, shown));
  if (layers.length === 0 || layers.length > LAYERS_MAX) {
    throw new StorageError("invalid", `${shown}: is no artefact with layers`);
  }
  return { layers, image };
}

function parseLayer(layer: unknown, shown: string): OciLayer {
  const { digest: given, size, mediaType, annotations: notes } = fieldsOf(layer);
  const [digest, bytes, annotations] = [textOf(given), Number(size), fieldsOf(notes)];
  if (digest === undefined || !DIGEST.test(digest) || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw new StorageError("invalid", `${shown}: has a layer without a SHA-256 digest or a size`);
  }
  const title = TITLES.map((name) => textOf(annotations[name])).find((each) => each !== undefined);
  // ORAS packs a folder as a tar of the folder's name; of ModelPack the media type says so.
  const packed =
    annotations["io.deis.oras.content.unpack"] === "true" ||
    /[.+/](tar|tar\+gzip|tar\+zstd|tar\.gzip)$/.test(textOf(mediaType) ?? "");
  return { digest, bytes, file: packed ? undefined : title };
}
