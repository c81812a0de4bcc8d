import type { StorageLocation } from "../storage/uri.ts";

/** The name served when nobody gave one: that of the model's file or folder. */
export function selectModelName(location: StorageLocation): string {
  const segments = pathOf(location)
    .split("/")
    .filter((segment) => segment !== "");
  const last = segments.at(-1) ?? "";
  const stem = last.replace(/\.(onnx|tar|tar\.gz|tgz|tar\.zst|tzst|zip)$/i, "");
  // `iris/model.onnx` and `iris/model/` are iris: the last name is the layout's, not the author's.
  const named = stem === "model" ? (segments.at(-2) ?? stem) : stem;
  return clean(named) || clean(hostOf(location)) || "model";
}

function pathOf(location: StorageLocation): string {
  switch (location.scheme) {
    case "https":
      return decoded(location.url.pathname);
    case "file":
    case "pvc":
      return location.path;
    case "oci":
      return location.repository;
    case "hf":
      return location.key || location.repository;
    default:
      return location.key;
  }
}

function hostOf(location: StorageLocation): string {
  if (location.scheme === "s3" || location.scheme === "gs") return location.bucket;
  if (location.scheme === "az") return location.container;
  return location.scheme === "pvc" ? location.claim : "";
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // A stray % is legal in a URL and says nothing about the name.
    return path;
  }
}

/** Letters, digits, dot, dash and underscore: what goes into /v2/models/NAME unescaped. */
function clean(name: string): string {
  return name
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 128);
}
