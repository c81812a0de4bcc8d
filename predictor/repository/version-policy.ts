/**
 * Which of a model's versions are served: Triton's version policies, as one word.
 * https://github.com/triton-inference-server/server: docs/user_guide/model_configuration.md
 */
import { StorageError } from "../storage/storage-error.ts";

export type VersionPolicy =
  | { readonly is: "all" }
  | { readonly is: "latest"; readonly count: number }
  | { readonly is: "specific"; readonly versions: readonly string[] };

/** `all`, `latest:N` or `specific:1,2`; nothing when it is none of them. */
export function parseVersionPolicy(text: string): VersionPolicy | undefined {
  if (text === "all") return { is: "all" };
  const latest = /^latest:([1-9]\d{0,3})$/.exec(text);
  if (latest !== null) return { is: "latest", count: Number(latest[1]) };
  const specific = /^specific:(\d{1,15}(?:,\d{1,15})*)$/.exec(text);
  if (specific === null) return undefined;
  return { is: "specific", versions: specific[1]?.split(",") ?? [] };
}

/**
 * The versions to serve, of those found, which ascend. Throws StorageError "not-found" when one that
 * is asked for by number is missing.
 */
export function selectByPolicy<T extends { readonly version: string }>(
  found: readonly T[],
  policy: VersionPolicy,
): readonly T[] {
  if (policy.is === "all") return found;
  if (policy.is === "latest") return found.slice(-policy.count);
  const has = new Set(found.map(({ version }) => version));
  const missing = policy.versions.filter((version) => !has.has(version));
  if (missing.length > 0) {
    throw new StorageError(
      "not-found",
      `VERSION_POLICY asks for version ${missing.join(", ")}, the model has ${[...has].join(", ")}`,
    );
  }
  return found.filter(({ version }) => policy.versions.includes(version));
}
