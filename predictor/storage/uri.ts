import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";

import { parseAzUrl } from "./az-settings.ts";
import type { AzLocation } from "./az-settings.ts";
import type { HfLocation } from "./hf-store.ts";
import type { OciLocation } from "./oci-origin.ts";
import { StorageError, printable } from "./storage-error.ts";

/** Where a model lies, as its URI says it; docs/runtime-contract.md, part Storage. */
export type StorageLocation =
  | { readonly scheme: "file"; readonly path: string }
  | { readonly scheme: "pvc"; readonly claim: string; readonly path: string }
  | { readonly scheme: "https"; readonly url: URL }
  | { readonly scheme: "s3"; readonly bucket: string; readonly key: string }
  | { readonly scheme: "gs"; readonly bucket: string; readonly key: string }
  | ({ readonly scheme: "az" } & AzLocation)
  | ({ readonly scheme: "hf" } & HfLocation)
  | ({ readonly scheme: "oci" } & OciLocation);

const URI_LENGTH_MAX = 2048;
const SUPPORTED =
  "supported are s3://, gs://, az://, https://, hf://, oci://, pvc://, file:// and absolute paths";

/**
 * Reads a storage URI. Throws StorageError "misconfigured" with what is wrong with it.
 * `insecureHttp` lets http:// through, for servers on the loopback interface.
 */
export function parseStorageUri(uri: string, insecureHttp = false): StorageLocation {
  const refuse = (why: string): StorageError =>
    new StorageError("misconfigured", `storageUri ${shownUri(uri)}: ${why}`);
  if (uri.trim() === "") throw refuse("is empty; name a file, a folder, a bucket or a URL");
  if (uri.length > URI_LENGTH_MAX) throw refuse(`is longer than ${URI_LENGTH_MAX} characters`);
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(uri)) throw refuse("holds a control character; remove it");
  if (isAbsolute(uri)) return { scheme: "file", path: uri };
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/.exec(uri);
  if (match === null) throw refuse(`is neither a URI nor an absolute path; ${SUPPORTED}`);
  const scheme = (match[1] ?? "").toLowerCase();
  const rest = match[2] ?? "";
  switch (scheme) {
    case "file":
      return { scheme: "file", path: parseFilePath(rest, refuse) };
    case "pvc":
      return parseClaim(rest, refuse);
    case "s3":
    case "gs":
      return parseBucket(scheme, rest, refuse);
    case "az":
      return { scheme: "az", ...parseContainer(rest, refuse) };
    case "hf":
      return { scheme: "hf", ...parseHub(rest, refuse) };
    case "oci":
      return { scheme: "oci", ...parseArtefact(rest, refuse) };
    case "https":
      return parseWeb(parseUrl(`${scheme}://${rest}`, refuse));
    case "http":
      if (insecureHttp) return { scheme: "https", url: parseUrl(`${scheme}://${rest}`, refuse) };
      throw refuse("http:// is open to forgery on its way; use https://");
    default:
      throw refuse(`scheme ${scheme}:// is not supported; ${SUPPORTED}`);
  }
}

/** The URI as it may stand in a message: without user information and without a signed query. */
export function shownUri(uri: string): string {
  const bare = /^https?:\/\//i.test(uri) ? uri.replace(/[?#].*$/s, "") : uri;
  return printable(bare.replace(/^([a-z0-9+.-]+:\/\/)[^/\\]*@/i, "$1"), 256);
}

type Refuse = (why: string) => StorageError;

function parseFilePath(rest: string, refuse: Refuse): string {
  const path = rest.replace(/^localhost(?=\/)/, "");
  if (!path.startsWith("/")) throw refuse("names a host; write file:///absolute/path");
  try {
    return fileURLToPath(`file://${path.replaceAll("?", "%3F").replaceAll("#", "%23")}`);
  } catch (cause) {
    throw refuse(`is no file URL: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function parseClaim(rest: string, refuse: Refuse): StorageLocation {
  const [claim = "", ...segments] = rest.split("/");
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(claim)) {
    throw refuse("names no claim; write pvc://CLAIM/PATH");
  }
  refuseDotSegments(segments, refuse);
  return { scheme: "pvc", claim, path: segments.filter((segment) => segment !== "").join("/") };
}

function parseBucket(scheme: "s3" | "gs", rest: string, refuse: Refuse): StorageLocation {
  const [bucket = "", ...segments] = rest.split("/");
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) {
    throw refuse(`names no bucket; write ${scheme}://BUCKET/KEY`);
  }
  return { scheme, bucket, key: keyOf(segments, refuse) };
}

function keyOf(segments: readonly string[], refuse: Refuse): string {
  refuseDotSegments(segments, refuse);
  if (segments.slice(0, -1).includes("")) throw refuse("holds an empty segment (//); remove it");
  return segments.join("/");
}

function parseContainer(rest: string, refuse: Refuse): AzLocation {
  const [container = "", ...segments] = rest.split("/");
  if (!/^(\$root|\$web|[a-z0-9](-?[a-z0-9]){2,62})$/.test(container)) {
    throw refuse("names no container; write az://CONTAINER/PATH, and set AZURE_STORAGE_ACCOUNT");
  }
  const key = keyOf(segments, refuse);
  return { account: undefined, endpoint: undefined, container, key, sas: undefined };
}

/** hf://ORGANISATION/REPOSITORY[@REVISION]/PATH; KServe writes the revision behind a colon. */
function parseHub(rest: string, refuse: Refuse): HfLocation {
  const [organisation = "", named = "", ...segments] = rest.split("/");
  const [, name = "", revision = "main"] = /^([^@:]+)(?:[@:](.+))?$/.exec(named) ?? [];
  const part = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;
  if (!part.test(organisation) || !part.test(name) || !/^[\w.%-]{1,128}$/.test(revision)) {
    throw refuse("names no repository; write hf://ORGANISATION/REPOSITORY@REVISION/PATH");
  }
  const decoded = revision.replaceAll("%2F", "/").replaceAll("%2f", "/");
  return {
    repository: `${organisation}/${name}`,
    revision: decoded,
    key: keyOf(segments, refuse),
  };
}

const REGISTRY = /^[A-Za-z0-9.-]+(:\d{1,5})?$/;
/** Of the distribution specification. */
const COMPONENT = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
const REFERENCE = /^([^:@]+)(?::(\w[\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/;

/** oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]. */
function parseArtefact(rest: string, refuse: Refuse): OciLocation {
  const slash = rest.indexOf("/");
  const host = rest.slice(0, Math.max(0, slash));
  const [, repository = "", tag = "latest", digest] = REFERENCE.exec(rest.slice(slash + 1)) ?? [];
  const named = repository.split("/").every((component) => COMPONENT.test(component));
  if (!REGISTRY.test(host) || !named) {
    throw refuse("names no artefact; write oci://REGISTRY/REPOSITORY:TAG or @sha256:DIGEST");
  }
  const registry = host === "docker.io" ? "registry-1.docker.io" : host.toLowerCase();
  return { registry, repository, reference: digest ?? tag };
}

/** A web address; one of Azure's own is a blob or a folder of blobs. */
function parseWeb(url: URL): StorageLocation {
  const blob = parseAzUrl(url);
  return blob === undefined ? { scheme: "https", url } : { scheme: "az", ...blob };
}

function refuseDotSegments(segments: readonly string[], refuse: Refuse): void {
  if (segments.some((segment) => segment === "." || segment === "..")) {
    throw refuse("holds a segment . or ..; write the path out");
  }
}

function parseUrl(text: string, refuse: Refuse): URL {
  if (text.includes("\\")) throw refuse("holds a backslash; write /");
  if (!URL.canParse(text)) throw refuse("is no URL");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw refuse("holds a user name or password; they would end up in logs and in the status");
  }
  url.hash = "";
  return url;
}
