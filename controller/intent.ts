/** Whether what lies in the cluster is what we want, so that an unchanged wish writes nothing. */
import { createHash } from "node:crypto";
import { ANNOTATION_INTENT } from "./api/names.ts";
import { canonical } from "./canonical.ts";
import type { KubeObject } from "./cluster.ts";

/**
 * `child` with the digest of itself as an annotation. Keys are sorted first: their order means
 * nothing.
 */
export function stamped<T extends KubeObject>(child: T): T {
  const digest = createHash("sha256").update(canonical(child)).digest("hex").slice(0, 32);
  const annotations = { ...child.metadata.annotations, [ANNOTATION_INTENT]: digest };
  return { ...child, metadata: { ...child.metadata, annotations } };
}

/**
 * Whether `live` needs no write to be `wanted` (a stamped object). The digest tells that the wish
 * is the same, a field no longer wanted included; the comparison tells that nobody changed what we
 * own. Fields that others own are not looked at.
 */
export function satisfied(live: KubeObject, wanted: KubeObject): boolean {
  return (
    live.metadata.annotations?.[ANNOTATION_INTENT] ===
      wanted.metadata.annotations?.[ANNOTATION_INTENT] && covers(live, wanted)
  );
}

/**
 * Whether everything in `wanted` is in `live`; lists must have the same length, since server-side
 * apply replaces them whole.
 */
export function covers(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(live) &&
      live.length === wanted.length &&
      wanted.every((item, at) => covers(live[at], item))
    );
  }
  if (typeof wanted === "object" && wanted !== null) {
    return Object.entries(wanted).every(([key, value]) => {
      const found =
        typeof live === "object" && live !== null && !Array.isArray(live)
          ? (live as Record<string, unknown>)[key]
          : undefined;
      // An empty object and an absent one are the same to the API server.
      return found === undefined ? isEmptyObject(value) : covers(found, value);
    });
  }
  return live === wanted;
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
