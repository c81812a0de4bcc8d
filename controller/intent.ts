/** Whether what lies in the cluster is what we want, so that an unchanged wish writes nothing. */
import type { KnativeService } from "./api/knative-service.gen.ts";
import { ANNOTATION_INTENT, ANNOTATION_TEMPLATE } from "./api/names.ts";
import type { KubeObject } from "./cluster.ts";
import { digestOf } from "./digest.ts";

/**
 * `child` with the digest of itself, and of its template if it has one, as annotations. Keys are
 * sorted first: their order means nothing.
 */
export function stamped<T extends KubeObject>(child: T): T {
  const template = templateOf(child);
  const annotations = {
    ...child.metadata.annotations,
    [ANNOTATION_INTENT]: digestOf(child),
    ...(template === undefined ? {} : { [ANNOTATION_TEMPLATE]: digestOnce(template) }),
  };
  return { ...child, metadata: { ...child.metadata, annotations } };
}

function templateOf(child: KubeObject): unknown {
  const { spec } = child as { readonly spec?: { readonly template?: unknown } };
  return spec?.template;
}

/** What tells one template from another; the revision that comes of it has no other name for it. */
export function templateDigest(service: KnativeService): string {
  return digestOnce(templateOf(service) ?? null);
}

/** By identity: a template is never changed once it is made, and one reconcile asks thrice. */
const digests = new WeakMap<object, string>();

function digestOnce(template: unknown): string {
  if (typeof template !== "object" || template === null) return digestOf(template);
  const digest = digests.get(template) ?? digestOf(template);
  digests.set(template, digest);
  return digest;
}

/**
 * Whether `wanted` has another template than `live` was given, and so will make a revision.
 * A service that was applied before templates were stamped is compared field by field.
 */
export function templateChanged(live: KnativeService, wanted: KnativeService): boolean {
  const stamp = live.metadata.annotations?.[ANNOTATION_TEMPLATE];
  return stamp === undefined
    ? !covers(live.spec?.template, wanted.spec?.template)
    : stamp !== templateDigest(wanted);
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
